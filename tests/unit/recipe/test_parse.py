from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.model.canonical import from_plain, to_plain
from buildfarm.model.overlay import laid
from buildfarm.model.recipe import (
    GIB,
    MIB,
    Build,
    GitSource,
    Include,
    Limits,
    Override,
    Patch,
    PathSource,
    Publish,
    Recipe,
    Repair,
    Requires,
    SdistSource,
    Service,
    System,
    Targets,
    Test,
    Track,
    UrlSource,
    Verify,
)
from buildfarm.recipe.diagnostic import Span
from buildfarm.recipe.parse import Parsed, parse_recipe
from buildfarm.recipe.reading import MOST

HASH = "sha256:" + "0" * 64
MAXIMAL = f"""\
name: mysqlclient
versions: ["2.3.1"]
source: {{sdist: {{"2.3.1": "{HASH}"}}}}
targets: {{python: ">=3.11", platforms: ["manylinux_*", "musllinux_*", "win_amd64"]}}
wheel: abi3
system: {{dnf: [mysql-devel], apt: [default-libmysqlclient-dev, pkg-config], apk: [mariadb-dev], brew: [mysql-client],
  vcpkg: [libmysql], choco: [mysql]}}
build:
  compiler: zig
  requires: {{add: ["setuptools<81"], remove: [CMake]}}
  env: {{MYSQLCLIENT_CFLAGS: "-I{{work}}/include"}}
  config_settings: {{--global-option: build_ext}}
  before: [python generate.py]
patches: [{{file: plugin-folder.patch, versions: "<2.4"}}]
limits: {{cpus: 1.5, memory: 2GiB, disk: 20GiB, pids: 64, wall: 2h, silence: 90s, log: 1MiB}}
repair:
  exclude: [libcuda.so.*]
  search: [build/lib]
  include: [{{from: /usr/lib/*/libmariadb3/plugin/*.so, to: MySQLdb/plugin/}}]
verify: {{relax: {{rpath: "the reason"}}}}
tests:
  - imports: auto
  - imports: [MySQLdb, MySQLdb.cursors]
  - run: [python -m pytest]
    in: tests
    requires: [pytest, "SQLAlchemy>=2"]
    sources: [tests/]
    files: {{tests/default.cnf: "[MySQLdb-tests]\\nhost={{db.host}}\\nport={{db.port}}\\n"}}
    env: {{TESTDB: "{{work}}/default.cnf"}}
    services: {{db: {{image: mariadb, env: {{MARIADB_DATABASE: test}}}}}}
overrides:
  - {{select: "*-musllinux_*", tests: {{skip: "no server image for musl"}}}}
  - {{select: "*-win_*", wheel: platform, tests: [{{run: python -c "import MySQLdb"}}]}}
publish: {{index: company/base, all_targets: true}}
owners: [data-platform]
"""


def parse(text: str) -> Parsed:
    return parse_recipe(text, file="recipe.yaml", folder="/recipes")


def recipe_of(text: str) -> Recipe:
    parsed = parse(text)
    assert parsed.recipe is not None, parsed.diagnostics
    return parsed.recipe


def codes(text: str) -> list[str]:
    return [each.code for each in parse(text).diagnostics]


def test_every_field() -> None:
    parsed = parse(MAXIMAL)
    assert parsed.diagnostics == ()
    assert parsed.recipe == Recipe(
        name="mysqlclient",
        versions=("2.3.1",),
        source=SdistSource(hashes={"2.3.1": HASH}),
        targets=Targets(python=">=3.11", platforms=("manylinux_*", "musllinux_*", "win_amd64")),
        wheel="abi3",
        system=System(
            apt=("default-libmysqlclient-dev", "pkg-config"),
            dnf=("mysql-devel",),
            apk=("mariadb-dev",),
            brew=("mysql-client",),
            vcpkg=("libmysql",),
            choco=("mysql",),
        ),
        build=Build(
            compiler="zig",
            requires=Requires(add=("setuptools<81",), remove=("cmake",)),
            env={"MYSQLCLIENT_CFLAGS": "-I{work}/include"},
            config_settings={"--global-option": "build_ext"},
            before=("python generate.py",),
        ),
        patches=(Patch(file="/recipes/plugin-folder.patch", versions="<2.4"),),
        limits=Limits(cpus=1.5, memory=2 * GIB, disk=20 * GIB, pids=64, wall=7200, silence=90, log=MIB),
        repair=Repair(
            exclude=("libcuda.so.*",),
            search=("build/lib",),
            include=(Include(source="/usr/lib/*/libmariadb3/plugin/*.so", to="MySQLdb/plugin/"),),
        ),
        verify=Verify(relax={"rpath": "the reason"}),
        tests=(
            Test(imports=("auto",)),
            Test(imports=("MySQLdb", "MySQLdb.cursors")),
            Test(
                run=("python -m pytest",),
                folder="tests",
                requires=("pytest", "SQLAlchemy>=2"),
                sources=("tests/",),
                files={"tests/default.cnf": "[MySQLdb-tests]\nhost={db.host}\nport={db.port}\n"},
                env={"TESTDB": "{work}/default.cnf"},
                services={"db": Service(image="mariadb", env={"MARIADB_DATABASE": "test"})},
            ),
        ),
        overrides=(
            Override(select="*-musllinux_*", skip="no server image for musl"),
            Override(select="*-win_*", wheel="platform", tests=(Test(run=('python -c "import MySQLdb"',)),)),
        ),
        publish=Publish(index="company/base", all_targets=True),
        owners=("data-platform",),
    )


def test_a_recipe_survives_the_ledger() -> None:
    recipe = recipe_of(MAXIMAL)
    assert from_plain(Recipe, to_plain(recipe)) == recipe


def test_a_name_is_enough() -> None:
    assert recipe_of("name: Foo_Bar\n") == Recipe(name="foo-bar")


def test_versions_in_both_shapes() -> None:
    assert recipe_of('name: six\nversions: ["1.10", "1.0-1"]\n').versions == ("1.10", "1.0.post1")
    assert recipe_of("name: six\nversions: {track: latest, keep: 3}\n").versions == Track(keep=3)


def test_sources() -> None:
    head = 'name: six\nversions: ["1.0"]\nsource: '
    url = "https://example.invalid/six-1.0.tar.gz"
    assert recipe_of(f"{head}{{url: '{url}', sha256: '{HASH}'}}").source == UrlSource(url=url, sha256=HASH)
    git = "https://example.invalid/six.git"
    commit = "a" * 40
    assert recipe_of(f"{head}{{git: '{git}', commit: {commit}}}").source == GitSource(git=git, commit=commit)
    assert recipe_of("name: six\nsource: {path: ./six}").source == PathSource(path="/recipes/six")
    assert recipe_of("name: six\nsource: {path: ../six}").source == PathSource(path="/recipes/../six")


def test_an_override_knows_what_of_it_was_written() -> None:
    recipe = recipe_of(
        "name: six\n"
        "limits: {memory: 8GiB}\n"
        "build: {compiler: zig, env: {A: a, B: b}, requires: {add: [cython], remove: [ninja]}, before: [make]}\n"
        "overrides:\n"
        "  - select: '*-win_*'\n"
        "    build: {compiler: auto, env: {B: c}, requires: {remove: []}}\n"
        "    limits: {wall: 2h}\n"
        "  - {select: 'cp313-*', wheel: platform}\n"
    )
    windows, newest = recipe.overrides
    assert windows.build == Build(env={"B": "c"})
    assert windows.written == (
        *("build", "build.compiler", "build.requires", "build.requires.remove", "build.env"),
        *("limits", "limits.wall"),
    )
    assert laid({"build": recipe.build, "limits": recipe.limits}, windows) == {
        "build": Build(compiler="auto", env={"A": "a", "B": "c"}, requires=Requires(add=("cython",)), before=("make",)),
        "limits": Limits(memory=8 * GIB, wall=7200),
    }
    assert newest == Override(select="cp313-*", wheel="platform")


def test_spans_are_of_what_was_written() -> None:
    spans = parse("name: six\nbuild:\n  requires:\n    add: [cython]\n").spans
    assert spans["build.requires.add[0]"] == Span(line=4, column=11, length=6)
    assert "build.requires.remove" not in spans


def test_all_errors_come_at_once_in_the_order_of_the_file() -> None:
    text = "wheel: abi\nversions: [1.0]\nflavour: sweet\ntests: [{run: '{x}'}]\nname: '-'\n"
    parsed = parse(text)
    assert parsed.recipe is None
    assert [each.span.line for each in parsed.diagnostics] == [1, 2, 3, 4, 5]


def test_a_warning_leaves_the_recipe() -> None:
    parsed = parse("name: six\ntests: []\n")
    assert [(each.code, str(each.severity)) for each in parsed.diagnostics] == [("untested", "warning")]
    assert parsed.recipe is not None


def test_a_broken_value_is_told_once() -> None:
    assert codes("name: six\nversions: *x\npatches: [*y]\nbuild: {env: {A: *z}}\n") == ["anchor"] * 3


def test_a_hostile_file_gives_few_diagnostics_soon() -> None:
    parsed = parse("name: six\n" + "".join(f"key{number}: 1\n" for number in range(9_000)))
    assert len(parsed.diagnostics) == MOST
    assert parsed.recipe is None


def test_many_warnings_leave_the_recipe() -> None:
    tests = "  - {imports: auto, sources: [tests/]}\n" * (MOST + 1)
    parsed = parse(f"name: six\ntests:\n{tests}owners: [data-platform]\n")
    assert parsed.recipe is not None
    assert len(parsed.diagnostics) == MOST


@pytest.mark.slow
@pytest.mark.parametrize(
    "text",
    [
        "targets: {platforms: [" + ", ".join(f"x{number}" for number in range(9_000)) + "]}",
        "overrides: [" + ", ".join(f"{{select: '*-win_arm{number}'}}" for number in range(5_000)) + "]",
        "tests: [{run: '" + "{a}" * 200_000 + "'}]",
        "overrides: [" + ", ".join(f"{{select: '*-win_*', limits: {{pids: {n}}}}}" for n in range(9, 2_000)) + "]",
        "build: {before: ['" + "eyJ" * 200_000 + "']}",
        "build: {env: {A: '" + "a" * 900_000 + "'}}",
        "owners: ['" + " " * 900_000 + "']",
        "versions: [" + ", ".join(f'"{number}"' for number in range(15_000)) + "]",
    ],
    ids=["globs", "selects", "placeholders", "overrides", "secret", "url", "spaces", "versions"],
)
def test_hostile_values_cost_little(text: str) -> None:
    start = time.process_time()
    parse(f"name: six\n{text}\n")
    assert time.process_time() - start < 4


def test_a_thousand_recipes_are_fast() -> None:
    texts = [MAXIMAL] * 80 + ['name: six\nversions: ["1.0"]\n'] * 920  # as in a real index: 92 % need no instruction
    start = time.process_time()
    for text in texts:
        parse(text)
    assert time.process_time() - start < 2


WORDS = [
    "name",
    "versions",
    "six",
    "1.0",
    "'1.0'",
    "build",
    "env",
    "tests",
    "run",
    "source",
    "path",
    "overrides",
    "select",
]
PIECES = st.lists(st.sampled_from([*WORDS, ": ", "\n", "  ", "- ", "[", "]", "{", "}", ", ", "*", "~", "{db.host}"]))


@given(st.text() | PIECES.map("".join) | PIECES.map(lambda pieces: "name: six\n" + "".join(pieces)))
def test_any_text_gives_a_recipe_or_an_error(text: str) -> None:
    parsed = parse(text)
    errors = [each for each in parsed.diagnostics if each.severity == "error"]
    assert (parsed.recipe is None) == bool(errors)


@given(st.integers(0, len(MAXIMAL)), st.integers(0, 40), st.text(max_size=3))
def test_any_edit_of_a_recipe_gives_a_recipe_or_an_error(start: int, length: int, inserted: str) -> None:
    parsed = parse(MAXIMAL[:start] + inserted + MAXIMAL[start + length :])
    errors = [each for each in parsed.diagnostics if each.severity == "error"]
    assert (parsed.recipe is None) == bool(errors)


@pytest.mark.parametrize("text", ["", "\n", "# six\n", "---\n", "~\n"])
def test_nothing_is_told_as_nothing(text: str) -> None:
    assert codes(text) == ["no-value"]
