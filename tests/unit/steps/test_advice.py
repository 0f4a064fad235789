"""Every row of the advice has what it knows, and says what can be written into a recipe."""

from __future__ import annotations

import re

import pytest

from buildfarm.model.job import BuildPart
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Build, Requires, System
from buildfarm.recipe.parse import parse_recipe
from buildfarm.steps import advice
from buildfarm.steps.advice import advise

SAID = {
    "x.c:1:10: fatal error: 'ffi.h' file not found": "system: {apt: [libffi-dev]}",
    "x.c:1:10: fatal error: ffi.h: No such file or directory": "system: {apt: [libffi-dev]}",
    "x.c:1:10: fatal error: 'unheard/of.h' file not found": "unheard/of.h is a header of no library",
    "Package libffi was not found in the pkg-config search path.": "system: {apt: [libffi-dev]}",
    "No package 'yaml-0.1' found": "system: {apt: [libyaml-dev]}",
    'meson.build:3:0: ERROR: Dependency "libffi" not found, tried pkgconfig': "system: {apt: [libffi-dev]}",
    "  Could NOT find JPEG (missing: JPEG_LIBRARY)": "system: {apt: [libjpeg-dev]}",
    "/usr/bin/ld: cannot find -lpq": "system: {apt: [libpq-dev]}",
    'error: unable to find dynamic system library "yaml" using strategy': "system: {apt: [libyaml-dev]}",
    "sh: 1: swig: not found": "system: {apt: [swig]}",
    "make: swig: No such file or directory": "system: {apt: [swig]}",
    "make[1]: unheard: No such file or directory": "unheard is a program that the session does not have",
    "sh: 1: gfortran: not found": "system: {apt: [gfortran]}",
    "Error: pg_config executable not found.": "system: {apt: [libpq-dev]}",
    "sh: 1: unheard: not found": "unheard is a program that the session does not have",
    "ModuleNotFoundError: No module named 'pkg_resources'": 'requires: {add: ["setuptools<81"]}',
    "ModuleNotFoundError: No module named 'distutils'": "requires: {add: [setuptools]}",
    "ModuleNotFoundError: No module named 'numpy.core'": "requires: {add: [numpy]}",
    "ModuleNotFoundError: No module named 'skbuild'": "requires: {add: [scikit-build]}",
    "x.c:1:10: fatal error: 'numpy/arrayobject.h' file not found": "requires: {add: [numpy]}",
    "x.pyx:2:25: undeclared name not builtin: long": 'requires: {add: ["Cython<3"]}',
    "AttributeError: module 'numpy' has no attribute 'int'": 'requires: {add: ["numpy<2"]}',
    "x.c:3:5: error: no member named 'use_tracing' in 'struct _ts'": 'targets: {python: "<3.11"}',
    "SyntaxError: Missing parentheses in call to 'print'": "written for Python 2",
    "x.c:1:1: error: call to undeclared function 'f' [-Wimplicit-function-declaration]": "-Wno-error=implicit-function",
    "x.c:1:1: error: '__builtin_ia32_crc32qi' needs target feature crc32": 'CFLAGS: "-mcrc32"',
    "error: can't find Rust compiler": "system: {apt: [cargo-web, rustc-web]}",
    "Rust not found, installing into a temporary directory": "system: {apt: [cargo-web, rustc-web]}",
    "sh: 1: cargo: not found": "system: {apt: [cargo-web, rustc-web]}",
    "Cargo, the Rust package manager, is not installed or is not on PATH.": "system: {apt: [cargo-web, rustc-web]}",
    "urllib.error.URLError: <urlopen error [Errno -2] Name or service not known>": "a session has no network",
    "OSError: [Errno 28] No space left on device": "limits: {disk: 20GiB}",
    "Killed": "limits: {memory: 8GiB}",
}
SAID_BY_TESTS = {
    "ModuleNotFoundError: No module named 'tests'": "sources: [tests]",
    "/v/bin/python: No module named pytest": "requires: [pytest]",
    "E   FileNotFoundError: [Errno 2] No such file or directory: 'data/a.txt'": "data/a.txt to its `sources`",
    "E   ConnectionRefusedError: [Errno 111] Connection refused": "services: {db: {image: …}}",
    "E   socket.gaierror: [Errno -3] Temporary failure in name resolution": "--deselect",
    "could not run 'x': was killed by signal 4": "-mno-avx512f",
    "could not run 'x': was killed by signal 9": "limits: {memory: 8GiB}",
    "ImportError: x.so: undefined symbol: _Unwind_GetIP": 'build: {env: {LDFLAGS: "-lgcc_s"}}',
    "ImportError: x.so: undefined symbol: nowhere": "nothing that it is linked with defines it",
}
NOTHING_TO_ADD = {
    "written for Python 2",
    "a session has no network",
    "data/a.txt to its `sources`",
    "services: {db: {image: …}}",
    "--deselect",
    "nothing that it is linked with defines it",
}
CASES = [(Step.BUILD, *each) for each in SAID.items()] + [(Step.TEST, *each) for each in SAID_BY_TESTS.items()]


@pytest.mark.parametrize(("step", "line", "told"), CASES, ids=lambda part: str(part)[:60])
def test_what_to_do(step: Step, line: str, told: str) -> None:
    (sentence,) = (each.sentence for each in advise([line], step))
    assert told in sentence


@pytest.mark.parametrize(("step", "line", "told"), CASES, ids=lambda part: str(part)[:60])
def test_what_is_to_be_added_is_what_a_recipe_can_say(step: Step, line: str, told: str) -> None:
    (sentence,) = (each.sentence for each in advise([line], step))
    written = re.findall(r"`((?:build|system|limits|targets|requires|sources): [^`…]*)`", sentence)
    assert bool(written) is (told not in NOTHING_TO_ADD)
    for added in written:
        key = f"tests: [{{run: ['true'], {added}}}]" if added.startswith(("requires", "sources")) else added
        parsed = parse_recipe(f"name: demo\nversions: ['1.0']\n{key}\n", file="demo.yaml", folder="/")
        assert parsed.diagnostics == ()


@pytest.mark.parametrize(
    ("rows", "said"), [(advice._IN_BUILDS, SAID), (advice._IN_TESTS, SAID_BY_TESTS)], ids=["build", "test"]
)
def test_every_row_has_a_case(rows: tuple[advice._Row, ...], said: dict[str, str]) -> None:
    for row in rows:
        assert any(re.search(row.said, line) for line in said), row.said


SYSTEM = BuildPart(system=System(apt=("libldap2-dev",), dnf=("openldap-devel",)))
BUILD = BuildPart(build=Build(requires=Requires(add=("six", "cython>=3")), env={"CFLAGS": "-O1"}, before=("make x",)))
REMOVING = BuildPart(build=Build(requires=Requires(remove=("cython",))))


@pytest.mark.parametrize(
    ("part", "line", "told"),
    [
        (
            SYSTEM,
            "x.c:1:10: fatal error: 'sasl/sasl.h' file not found",
            "write `system: {apt: [libldap2-dev, libsasl2-dev], dnf: [openldap-devel]}`",
        ),
        (
            BUILD,
            "x.pyx:2:25: undeclared name not builtin: long",
            'write `build: {requires: {add: [six, "Cython<3"]}, env: {CFLAGS: "-O1"}, before: ["make x"]}`',
        ),
        (
            BUILD,
            "x.c:1:1: error: call to undeclared function 'f' [-Wimplicit-function-declaration]",
            'env: {CFLAGS: "-O1 -Wno-error=implicit-function-declaration"}',
        ),
        (REMOVING, "ModuleNotFoundError: No module named 'Cython'", "take Cython out of `build.requires.remove`"),
        (REMOVING, "ModuleNotFoundError: No module named 'numpy'", "requires: {add: [numpy], remove: [cython]}"),
    ],
)
def test_what_to_write_holds_what_the_recipe_says_already(part: BuildPart, line: str, told: str) -> None:
    (sentence,) = (each.sentence for each in advise([line], Step.BUILD, part))
    assert told in sentence
    for written in re.findall(r"`((?:build|system): [^`]*)`", sentence):
        parsed = parse_recipe(f"name: demo\nversions: ['1.0']\n{written}\n", file="demo.yaml", folder="/")
        assert parsed.diagnostics == ()


def test_packages_are_named_together() -> None:
    said = ["a.c:1:1: fatal error: 'ffi.h' file not found", "b.c:1:1: fatal error: 'yaml.h' file not found"]
    assert "`system: {apt: [libffi-dev, libyaml-dev]}`" in advise(said, Step.BUILD)[0].sentence


def test_nothing_is_advised_about_what_nobody_knows() -> None:
    assert advise(["RuntimeError: no setup today"], Step.BUILD) == ()


@pytest.mark.parametrize(
    ("line", "step", "cause"),
    [
        ("error: 'ffi.h' file not found", Step.BUILD, "system-package"),
        ("ModuleNotFoundError: No module named 'Cython'", Step.BUILD, "build-requirement"),
        ("urlopen error", Step.BUILD, "network"),
        ("urlopen error", Step.TEST, "network"),
        ("ModuleNotFoundError: No module named 'pytest'", Step.TEST, "test-requirement"),
    ],
)
def test_a_word_says_what_it_is_about(line: str, step: Step, cause: str) -> None:
    assert [each.cause for each in advise([line], step)] == [cause]
