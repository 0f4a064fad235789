"""A test that is none: what it names is not there, or what it runs runs nothing."""

from __future__ import annotations

import pytest

from buildfarm.model.recipe import Test
from buildfarm.model.session import Command, Completed, Ended
from buildfarm.steps.untested import absent, nothing_ran, nowhere

SOURCE = ("setup.py", "test/data/a.txt", "test/test_demo.py", "src/demo/tests/test_deep.py")


def done(output: str, code: int = 0) -> Completed:
    command = Command(argv=("python", "-m", "unittest"), cwd="/s", what="run 'python -m unittest'")
    return Completed(command=command, ended=Ended.EXITED, exit_code=code, seconds=1, tail=tuple(output.splitlines()))


@pytest.mark.parametrize("path", ["test", "test/", "./test/data", "test/test_demo.py", "src/demo", "."])
def test_what_the_source_has_is_not_absent(path: str) -> None:
    assert absent(Test(sources=(path,)), SOURCE) is None


@pytest.mark.parametrize(
    ("path", "told"),
    [
        ("tests", "'tests' is not in the source, it has test/, src/demo/tests/"),
        ("test/test_dem.py", "it has test/test_demo.py"),
        ("docs", "'docs' is not in the source, it has setup.py, src/, test/"),
    ],
)
def test_a_path_that_the_source_does_not_have_is_told_with_those_near_it(path: str, told: str) -> None:
    reason = absent(Test(sources=("setup.py", path)), SOURCE)
    assert reason
    assert reason.code == "no-sources"
    assert told in reason.message


def test_a_folder_that_the_test_does_not_see() -> None:
    test = Test(run=("true",), folder="tests", sources=("test",))
    reason = nowhere(test, ["test/test_demo.py"])
    assert reason
    assert (reason.code, "it has test/" in reason.message) == ("no-sources", True)
    assert nowhere(test, ["tests/default.cnf"]) is None
    assert nowhere(Test(run=("true",)), []) is None


NOTHING = {
    "unittest": ("\n" + "-" * 70 + "\nRan 0 tests in 0.000s\n\nOK", 0),
    "unittest since 3.12": ("\nRan 0 tests in 0.000s\n\nNO TESTS RAN", 5),
    "pytest": ("collected 0 items\n\n===== no tests ran in 0.01s =====", 5),
    "pytest in colours": ("\x1b[33mno tests ran\x1b[0m\x1b[33m in 0.01s\x1b[0m", 5),
    "pytest -q, all deselected": ("\n1 deselected in 0.01s", 5),
    "a plugin that calls it well": ("collected 0 items\n\n===== no tests ran in 0.01s =====", 0),
}
SOMETHING = {
    "tests of a test runner": ("collected 0 items\n12 passed in 0.5s", 0),
    "a suite in parts": ("Ran 0 tests in 0.000s\nRan 3 tests in 0.100s\nOK", 0),
    "some deselected": ("collected 3 items / 2 deselected / 1 selected\n1 passed, 2 deselected in 0.1s", 0),
    "its own failure": ("ERROR: file or directory not found: x\nno tests ran in 0.00s", 4),
    "no runner that is known": ("all good", 0),
}


@pytest.mark.parametrize("name", NOTHING)
def test_a_run_of_no_test_is_a_failure_that_names_what_is_there(name: str) -> None:
    reason = nothing_ran(Test(run=("x",), folder="test"), done(*NOTHING[name]), ["test/b.txt", "test/a.py", "setup.py"])
    assert reason
    assert reason.code == "no-tests"
    assert "no test ran; its folder 'test' holds a.py, b.txt" in reason.message


@pytest.mark.parametrize("name", SOMETHING)
def test_a_run_of_any_test_and_any_other_failure_are_as_they_are(name: str) -> None:
    assert nothing_ran(Test(run=("x",)), done(*SOMETHING[name]), []) is None
