"""Names of asks and calls: their form, their order, and that no two are alike."""

from __future__ import annotations

import os
import re
import time

import pytest

from ragdiet.observe import new_id


def test_ids_are_ulids_that_sort_by_time() -> None:
    first = new_id()
    time.sleep(0.002)
    second = new_id()
    assert first < second
    assert all(re.fullmatch("[0-7][0-9A-HJKMNP-TV-Z]{25}", each) for each in (first, second))
    milliseconds = 0
    for letter in first[:10]:
        milliseconds = milliseconds * 32 + "0123456789ABCDEFGHJKMNPQRSTVWXYZ".index(letter)
    assert abs(milliseconds / 1000 - time.time()) < 5


def test_no_two_are_alike() -> None:
    assert len({new_id() for _ in range(20_000)}) == 20_000


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")  # other tests' threads may be there
def test_a_child_does_not_go_on_with_its_parents_numbers() -> None:
    new_id()
    reading, writing = os.pipe()
    if (child := os.fork()) == 0:
        os.write(writing, new_id().encode())
        os._exit(0)
    mine = new_id()
    os.waitpid(child, 0)
    theirs = os.read(reading, 100).decode()
    os.close(reading)
    os.close(writing)
    assert len(theirs) == len(mine) == 26
    assert theirs[10:] != mine[10:]
