"""The examples of the README and the guide run as they stand."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
_EXAMPLE = re.compile(r"(<!-- not run[^\n]*-->\n)?```python\n(.*?)```", re.DOTALL)


def examples(page: str) -> list[str]:
    found = _EXAMPLE.findall((ROOT / page).read_text("utf-8"))
    return [code for skipped, code in found if not skipped]


@pytest.mark.parametrize("page", ["README.md", "docs/guide.md"])
def test_examples_run(page: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, handbook: Path) -> None:
    """All examples of a page in one namespace, in a folder that has ``handbook/``."""
    assert examples(page)
    monkeypatch.chdir(tmp_path)
    namespace: dict[str, object] = {"__name__": page}
    try:
        for code in examples(page):
            exec(compile(code, page, "exec"), namespace)
    finally:
        rag = namespace.get("rag")
        if rag is not None:
            rag.close()  # type: ignore[attr-defined]


def test_links_lead_somewhere() -> None:
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"


def test_the_architecture_names_every_module_and_table_and_no_other() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text("utf-8")
    source = ROOT / "src" / "ragdiet"
    modules = {path.relative_to(source).with_suffix("") for path in source.rglob("*.py")}
    tables = set(
        re.findall(r'^\w+ = Table\(\s+"(\w+)"', (source / "store" / "tables.py").read_text("utf-8"), re.MULTILINE)
    )
    linked = set(re.findall(r"src/ragdiet/([\w/]+)\.py", text))
    named = set(re.findall(r"`([\w/]+)`", text))
    unlinked = {module for module in modules if not module.name.startswith("__") and str(module) not in linked}
    assert not {str(module) for module in unlinked if not {str(module), module.name} & named}
    assert tables <= named
    first_cells = " ".join(re.findall(r"^\|([^|\n]*)\|", text, re.MULTILINE))
    known = {name for module in modules for path in (module, module.parent) for name in (str(path), path.name)}
    assert not {name.rstrip("/") for name in re.findall(r"`([\w/]+)`", first_cells)} - known - tables
