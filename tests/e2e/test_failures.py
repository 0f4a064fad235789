"""Projects that fail on purpose, each in one step: what the user is told, and that nothing else suffers."""

from __future__ import annotations

import io
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A tiny project made to fail, and what must be said of it.

    ``shown`` is on the terminal and, where there was an attempt, in its log.
    """

    base: str
    step: str
    code: str
    message: str
    advice: str
    edits: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    recipe: tuple[str, ...] = ()
    kind: str = "build"
    shown: str = ""


BODY = "    info = f"
SETUP = 'setup(ext_modules=[Extension("tinyc._answer", ["tinyc/_answer.c"])])'
PURE_IF_IT_FAILS = f"try:\n    {SETUP}\nexcept SystemExit:\n    setup()"
ANSWER = "    return PyLong_FromLong(42);"
SYNTAX_ERROR = (ANSWER, ANSWER[:-1])
STUB = """
import os, subprocess
open("stub.c", "w").write("int newest(void) {{ return 0; }}")
open("stub.map", "w").write("{version} {{ newest; }};")
cc = [os.environ["CC"], "-shared", "-nostdlib", "-Wl,-soname,{soname}", "-Wl,--version-script,stub.map"]
subprocess.check_call([*cc, "-o", "libstub.so", "stub.c"])
"""


def linked_against(soname: str, version: str) -> dict[str, tuple[str, str]]:
    """An extension that needs a symbol of a library which only its build has."""
    return {
        "setup.py": (
            SETUP,
            STUB.format(soname=soname, version=version)
            + SETUP.replace('.c"]', '.c"], libraries=["stub"], library_dirs=["."]'),
        ),
        "tinyc/_answer.c": (ANSWER, "    extern int newest(void);\n    return PyLong_FromLong(newest());"),
    }


CASES = {
    # ------------------------------------------------------------------------------------------------- prepare
    "requires": Case(
        base="tinypure",
        edits={"pyproject.toml": ("requires = []", 'requires = ["sdistonly"]')},
        step="prepare",
        code="requirements",
        message="sdistonly",
        advice="build what is missing first",
    ),
    # --------------------------------------------------------------------------------------------------- build
    "raises": Case(
        base="tinyc",
        edits={"setup.py": ("setup(", 'raise RuntimeError("no setup today")\nsetup(')},
        step="build",
        code="exit-code",
        message="could not build the wheel: exit code 1",
        advice="log",
        shown="RuntimeError: no setup today",
    ),
    "syntax": Case(
        base="tinyc",
        edits={"tinyc/_answer.c": SYNTAX_ERROR},
        step="build",
        code="exit-code",
        message="could not build the wheel: exit code 1",
        advice="log",
        shown="_answer.c:5:31: error: expected ';' after return statement",
    ),
    "nowheel": Case(
        base="tinypure",
        edits={"backend.py": ("return write(folder,", 'return write(".",')},
        step="build",
        code="not-one-wheel",
        message="it left none",
        advice="PEP 517",
    ),
    "twowheels": Case(
        base="tinypure",
        edits={"backend.py": ("return write(", 'write(folder, "b-1-py3-none-any.whl", files)\n    return write(')},
        step="build",
        code="not-one-wheel",
        message="b-1-py3-none-any.whl, twowheels-1.0-py3-none-any.whl",
        advice="PEP 517",
    ),
    "silent": Case(
        base="tinypure",
        edits={"backend.py": (BODY, f'    print("now I sleep", flush=True); import time; time.sleep(6)\n{BODY}')},
        recipe=("limits: {silence: 3s}",),
        step="build",
        code="silence",
        message="it broke the silence limit",
        advice="raise limits.silence in the recipe",
        shown="now I sleep",
    ),
    # -------------------------------------------------------------------------------------------------- repair
    "absent": Case(
        base="tinyc",
        edits=linked_against("libabsent.so.1", "ABSENT_1"),
        step="repair",
        code="library-not-found",
        message="the wheel needs libabsent.so.1",
        advice="repair.search",
        shown="libabsent.so.1",
    ),
    "toorecent": Case(
        base="tinyc",
        edits=linked_against("libc.so.6", "GLIBC_2.34"),
        step="repair",
        code="symbols-too-recent",
        message="newer than manylinux_2_17",
        advice="compiler: auto",
        shown="too-recent versioned symbols",
    ),
    "optional": Case(
        base="tinyc",
        edits={"tinyc/_answer.c": SYNTAX_ERROR, "setup.py": ('.c"])', '.c"], optional=True)')},
        step="repair",
        code="no-binaries",
        message="tagged for a platform but holds no binary",
        advice="why its extensions were left out",
        shown="error: expected ';' after return statement",
    ),
    # -------------------------------------------------------------------------------------------------- verify
    "lost": Case(
        base="tinyc",
        edits={"tinyc/_answer.c": SYNTAX_ERROR, "setup.py": (SETUP, PURE_IF_IT_FAILS)},
        step="verify",
        code="lost-extensions",
        message="its source has native code, and the wheel has no compiled code",
        advice="wheel: pure",
    ),
    "renamed": Case(
        base="tinypure",
        edits={"backend.py": ('write(folder, f"{NAME}', 'write(folder, f"other')},
        step="verify",
        code="name-version",
        message="other",
        advice="",
    ),
    "record": Case(
        base="tinypure",
        edits={"backend.py": ("{digest(content)}", "{digest(content[1:])}")},
        step="verify",
        code="record",
        message="RECORD",
        advice="",
    ),
    "rpath": Case(
        base="tinyc",
        edits={"setup.py": ('.c"])', '.c"], runtime_library_dirs=["/opt/tiny/lib"])')},
        step="verify",
        code="rpath",
        message="/opt/tiny/lib",
        advice="-rpath",
    ),
    # ---------------------------------------------------------------------------------------------------- test
    "importraises": Case(
        base="tinypure",
        edits={"tinypure.py": ("ANSWER = 42", 'raise RuntimeError("no answer")')},
        kind="test",
        step="test",
        code="import",
        message="importraises: RuntimeError: no answer",
        advice="traceback is in the log",
        shown="RuntimeError: no answer",
    ),
    "undeclared": Case(
        base="tinypure",
        edits={"tinypure.py": ("ANSWER = 42", "import notrequired")},
        kind="test",
        step="test",
        code="import",
        message="No module named 'notrequired'",
        advice="add `requires: [notrequired]`",
        shown="ModuleNotFoundError",
    ),
    "undefined": Case(
        base="tinyc",
        edits={"tinyc/_answer.c": (ANSWER, "    extern PyObject *nowhere(void);\n    return nowhere();")},
        kind="test",
        step="test",
        code="import",
        message="undefined symbol: nowhere",
        advice="nothing that it is linked with defines it",
        shown="undefined symbol: nowhere",
    ),
    "unrequirable": Case(
        base="tinypure",
        edits={"backend.py": ("[]", '["sdistonly"]')},
        kind="test",
        step="prepare",
        code="test-requirements",
        message="sdistonly",
        advice="build what is missing first",
    ),
    "runfails": Case(
        base="tinypure",
        recipe=("tests:", "  - run: [\"python -c 'import tinypure; print(tinypure.ANSWER); raise SystemExit(7)'\"]"),
        kind="test",
        step="test",
        code="exit-code",
        message="exit code 7",
        advice="log",
        shown="42",
    ),
    "compiles": Case(
        base="tinypure",
        recipe=("tests:", "  - run: [cc --version]"),
        kind="test",
        step="test",
        code="missing-program",
        message="cc is not there",
        advice="requirements",
        shown="cc: not found",
    ),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """The call, and the environment that it had."""

    farm: Farm
    done: Done
    env: Mapping[str, str]


@pytest.fixture(scope="module")
def ran(farm: Farm) -> Ran:
    """One call for all of them, and for one project that is well."""
    links = farm.folder / "links"
    metadata = "Metadata-Version: 2.1\nName: sdistonly\nVersion: 1.0\n"
    sdist(links / "sdistonly-1.0.tar.gz", {"sdistonly-1.0/PKG-INFO": metadata})
    sdist(farm.folder / "unsafe-1.0.tar.gz", {"unsafe-1.0/../../evil": "", "unsafe-1.0/setup.py": ""})
    env = {"PIP_FIND_LINKS": f"{farm.environ.get('PIP_FIND_LINKS', '')} {links}"}
    recipes = [farm.project(case.base, name, case.edits, case.recipe) for name, case in CASES.items()]
    well = farm.project("tinypure", "well")
    done = farm.build(*recipes, "buildfarm-no-such-project", "unsafe-1.0.tar.gz", well, env=env)
    return Ran(farm=farm, done=done, env=env)


def sdist(path: Path, files: Mapping[str, str]) -> None:
    path.parent.mkdir(exist_ok=True)
    with tarfile.open(path, "w:gz") as archive:
        for name, text in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(text)
            archive.addfile(info, io.BytesIO(text.encode()))


def test_a_failure_is_the_packages_and_not_the_farms(ran: Ran) -> None:
    assert ran.done.code == 1, ran.done.err


@pytest.mark.parametrize("name", CASES)
def test_says_what_where_and_what_next(ran: Ran, name: str) -> None:
    case, job = CASES[name], ran.done.job(name, CASES[name].kind)
    assert (job["outcome"], job["step"], job["code"]) == ("failed", case.step, case.code), job["reason"]
    assert case.message in job["reason"]
    assert case.advice in job["advice"]
    told = ran.done.err[ran.done.err.index(f"\n{name} 1.0 ") :].partition("\n\n")[0]
    assert f"{job['kind']} failed at {case.step}" in told
    assert case.message in told
    assert case.advice.partition("\n")[0] in told
    if job["log"]:
        assert f"log: {job['log']}" in told
        assert case.shown in Path(job["log"]).read_text()
    if case.shown:
        assert "command: " in told
        assert case.shown in told


@pytest.mark.parametrize("name", CASES)
def test_publishes_nothing_of_it(ran: Ran, name: str) -> None:
    assert not ran.farm.page(name)
    assert not list(ran.farm.home.glob(f"index/main/+f/*/{name}-*"))


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("buildfarm-no-such-project", "upstream knows no project buildfarm-no-such-project. Is the name right?"),
        ("unsafe", "../../evil"),
    ],
)
def test_an_operand_that_comes_to_nothing_is_left_out_with_its_reason(ran: Ran, name: str, reason: str) -> None:
    (out,) = (each for each in ran.done.json["left_out"] if each["name"] == name)
    assert reason in out["reason"]
    assert reason in ran.done.err


def test_others_of_the_call_are_built(ran: Ran) -> None:
    assert "well-1.0-py3-none-any.whl" in ran.farm.page("well")


def test_the_same_again_tries_what_failed_and_nothing_else(ran: Ran) -> None:
    done = ran.farm.build("well.yaml", "raises.yaml", env=ran.env)
    assert done.code == 1
    assert done.job("well")["cached"]
    assert done.job("raises")["log"] != ran.done.job("raises")["log"]


def test_a_corrected_source_is_built(ran: Ran) -> None:
    done = ran.farm.build(ran.farm.project("tinyc", "syntax"), env=ran.env)
    assert done.code == 0, done.err
    assert done.job("syntax")["key"] != ran.done.job("syntax")["key"]
    assert ran.farm.page("syntax")


def test_a_corrected_test_repeats_the_test_alone(ran: Ran) -> None:
    fixed = ("tests:", "  - run: [\"python -c 'import tinypure'\"]")
    done = ran.farm.build(ran.farm.project("tinypure", "runfails", recipe=fixed), env=ran.env)
    assert done.code == 0, done.err
    assert done.job("runfails")["cached"]
    assert done.job("runfails")["log"] == ran.done.job("runfails")["log"]
    assert ran.farm.page("runfails")


def test_a_raised_limit_is_the_same_job(ran: Ran) -> None:
    silent = CASES["silent"]
    done = ran.farm.build(
        ran.farm.project(silent.base, "silent", silent.edits, ("limits: {silence: 1m}",)), env=ran.env
    )
    assert done.code == 0, done.err
    assert done.job("silent")["key"] == ran.done.job("silent")["key"]
    assert ran.farm.page("silent")
