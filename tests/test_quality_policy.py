from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import pytest

from ragdiet.errors import InvalidArgument
from ragdiet.quality import Quality


def test_the_defaults_keep_no_copy_and_lose_no_data() -> None:
    policy = Quality()
    assert (policy.duplicates, policy.near_duplicates) == ("reject", "reject")
    assert (policy.boilerplate, policy.low_information, policy.encoding) == ("drop", "drop", "repair")
    assert (policy.language, policy.secrets, policy.personal) == (True, "flag", "flag")


def test_off_keeps_everything() -> None:
    values = {field.name: getattr(Quality.off(), field.name) for field in fields(Quality)}
    assert values.pop("language") is False
    assert set(values.values()) == {"keep"}


@pytest.mark.parametrize("name", [field.name for field in fields(Quality)])
def test_a_wrong_value_is_told_the_choices(name: str) -> None:
    for value in ("delete", "", None, 1, ["reject"]):
        with pytest.raises(InvalidArgument, match=rf"{name} is one of .*(keep|True).*, not"):
            Quality(**{name: value})


def test_each_field_is_described() -> None:
    assert Quality.__doc__
    for field in fields(Quality):
        assert f"``{field.name}``:" in Quality.__doc__


def test_it_is_frozen() -> None:
    with pytest.raises(FrozenInstanceError):
        Quality().language = False  # type: ignore[misc]
