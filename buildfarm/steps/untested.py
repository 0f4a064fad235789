"""What makes a test none: paths that the source does not have, a folder that is not there, a run of nothing."""

from __future__ import annotations

import re
from collections.abc import Iterable
from difflib import get_close_matches
from pathlib import PurePosixPath

from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Test
from buildfarm.model.session import Completed, Ended

_NOTHING_RAN = re.compile(
    r"^Ran 0 tests in |^NO TESTS RAN|no tests ran\b|^collected 0 items\b|\b0 selected$|^\W*\d+ deselected in "
)
_SOMETHING_RAN = re.compile(r"^Ran [1-9]\d* tests? in |\b[1-9]\d* (passed|failed|xfailed|xpassed)\b")
_NO_TESTS_COLLECTED = 5  # the exit code of pytest, and of unittest since Python 3.12
_MOST_NAMES = 8


def absent(test: Test, held: Iterable[str]) -> Reason | None:
    """Why the test cannot see what it names: ``sources`` that are not among ``held``, the paths of the source."""
    paths = _with_folders(held)
    missing = [each for each in test.sources if PurePosixPath(each) not in paths]
    if not missing:
        return None
    told = "; ".join(f"{each!r} is not in the source, {_near(each, paths)}" for each in missing)
    return Reason(
        code="no-sources", message=f"the test's `sources`: {told}", advice="name paths that the source has, or none"
    )


def nowhere(test: Test, seen: Iterable[str]) -> Reason | None:
    """Why its commands have no folder: the test's ``in`` is none of those that hold what it sees (``seen``)."""
    paths = _with_folders(seen)
    if not test.run or not test.folder or PurePosixPath(test.folder) in paths:
        return None
    return Reason(
        code="no-sources",
        message=f"the test's `in`: {test.folder!r} is no folder that the test sees, {_near(test.folder, paths)}",
        advice="a test sees only what its `sources` and `files` name: add the folder to `sources`, or leave `in` out",
    )


def nothing_ran(test: Test, done: Completed, seen: Iterable[str]) -> Reason | None:
    """Why a command proves nothing, whatever its exit code: it said that it ran no test (unittest, pytest)."""
    if done.ended is not Ended.EXITED or done.exit_code not in (0, _NO_TESTS_COLLECTED):
        return None
    if any(map(_SOMETHING_RAN.search, done.tail)) or not any(map(_NOTHING_RAN.search, done.tail)):
        return None
    folder = PurePosixPath(test.folder)
    here = sorted(str(path.relative_to(folder)) for path in map(PurePosixPath, seen) if path.is_relative_to(folder))
    where = f"its folder {test.folder!r}" if test.folder else "its folder"
    return Reason(
        code="no-tests",
        message=f"could not {done.command.what}: no test ran; {where} holds {_listed(here)}",
        advice="a run without tests proves nothing: name what holds the tests in `sources`, and its folder in `in`",
        command=done.command.argv,
        tail=done.tail,
    )


def _with_folders(paths: Iterable[str]) -> frozenset[PurePosixPath]:
    found = frozenset(map(PurePosixPath, paths))
    return found | {folder for path in found for folder in path.parents}


def _near(wanted: str, paths: frozenset[PurePosixPath]) -> str:
    """Paths with a name like the wanted one, or else what is at the top."""
    close = frozenset(get_close_matches(PurePosixPath(wanted).name, {path.name for path in paths}))
    near = sorted((path for path in paths if path.name in close), key=lambda path: (len(path.parts), path))
    top = sorted(path for path in paths if len(path.parts) == 1)
    folders = {folder for path in paths for folder in path.parents}
    return f"it has {_listed([f'{path}/' if path in folders else str(path) for path in near[:3] or top])}"


def _listed(names: list[str]) -> str:
    more = len(names) - _MOST_NAMES
    return ", ".join(names[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "") or "nothing"
