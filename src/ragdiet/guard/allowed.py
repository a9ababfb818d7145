"""What may be asked, and for whom: names on a list, everything else refused before anything is sent."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from ragdiet.errors import InvalidArgument, NotAllowed


def checked_list(names: Collection[str] | None, what: str) -> frozenset[str] | None:
    """The list as given by a user; None allows everything."""
    if names is None:
        return None
    if isinstance(names, str) or not all(isinstance(name, str) for name in names):
        raise InvalidArgument(f"{what} is {names!r}: give a list of names, or None to allow all")
    return frozenset(names)


def check_models(used: Iterable[str], allowed: frozenset[str] | None) -> None:
    """Raises NotAllowed for a model whose exact id is not on the list."""
    for model in used:
        if allowed is not None and model not in allowed:
            listed = ", ".join(sorted(allowed)) or "none"
            raise NotAllowed(f"the model {model!r} is not allowed here: those that are: {listed}", name=model)


def check_tenant(tenant: str, allowed: frozenset[str] | None) -> str:
    """Raises NotAllowed for a tenant that is not on the list."""
    if allowed is not None and tenant not in allowed:
        raise NotAllowed(f"the tenant {tenant!r} is not allowed here: it is none of this RAG's tenants", name=tenant)
    return tenant
