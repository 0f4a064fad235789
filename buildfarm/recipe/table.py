"""THE table: the whole form of a recipe. The parser reads by it and the JSON Schema is printed from it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from buildfarm.model.recipe import (
    MANAGERS,
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
)  # fmt: skip
from buildfarm.recipe import texts as t
from buildfarm.recipe.commands import check_build_commands, check_test_commands
from buildfarm.recipe.composites import Key, ListOf, MapOf, Single, Table
from buildfarm.recipe.fields import Boolean, Choice, Number, Schema
from buildfarm.recipe.placeholders import check_build_placeholders, check_test_placeholders
from buildfarm.recipe.shapes import ByKey, ByShape
from buildfarm.recipe.sources import commit_of
from buildfarm.recipe.testing import check_test
from buildfarm.recipe.variables import check_build_variables, check_source_url, check_test_variables

ENV = MapOf(t.ENV_NAME, t.VALUE)
COMMANDS: ByShape[tuple[str, ...]] = ByShape(single=Single(t.COMMAND), items=ListOf(t.COMMAND, repeats=True))
PACKAGES = ListOf(t.PACKAGE)
IMPORTS: ByShape[tuple[str, ...]] = ByShape(single=Single(Choice(("auto",))), items=ListOf(t.MODULE))

TRACK = Table(
    wanted="a rule to follow upstream",
    make=Track,
    required=("track",),
    keys=(
        Key("track", Choice(("latest",)), "follow the newest releases"),
        Key("keep", Number("integer", 1), "how many of them"),
    ),
)
VERSIONS: ByShape[tuple[str, ...] | Track] = ByShape(
    items=ListOf(t.VERSION, repeats=True),  # told as an error: two spellings of one are the same version
    table=TRACK,
)
SOURCE = ByKey(
    wanted="a source: sdist, url, git or path",
    tables=(
        Table(
            wanted="an sdist source",
            make=SdistSource,
            keys=(Key("sdist", MapOf(t.VERSION, t.HASH), "hash of the sdist by version", into="hashes"),),
            required=("sdist",),
        ),
        Table(
            wanted="a URL source",
            make=UrlSource,
            keys=(Key("url", t.URL, "an archive"), Key("sha256", t.HASH, "its hash")),
            required=("url", "sha256"),
            checks=(check_source_url,),
        ),
        Table(
            wanted="a git source",
            make=GitSource,
            keys=(Key("git", t.GIT_URL, "a repository"), Key("commit", t.COMMIT, "a full object name")),
            required=("git", "commit"),
            checks=(check_source_url,),
            instead=commit_of,
        ),
        Table(
            wanted="a path source",
            make=PathSource,
            keys=(Key("path", t.BESIDE, "a local sdist or project folder, relative to the recipe file"),),
            required=("path",),
        ),
    ),
)
TARGETS = Table(
    wanted="targets",
    make=Targets,
    keys=(
        Key("python", t.PYTHON, "which Pythons, as a PEP 440 specifier"),
        Key("platforms", ListOf(t.PLATFORM), "globs over platform tags"),
    ),
)
WHEEL = Choice(("auto", "pure", "abi3", "platform"))
SYSTEM = Table(
    wanted="system packages by package manager",
    make=System,
    keys=tuple(Key(name, PACKAGES, f"packages for {name}") for name in MANAGERS),
)
REQUIRES = Table(
    wanted="an edit of the build requirements",
    make=Requires,
    keys=(
        Key("add", ListOf(t.REQUIREMENT), "PEP 508 requirements to add"),
        Key("remove", ListOf(t.NAME), "projects to leave out"),
    ),
)
BUILD = Table(
    wanted="a build part",
    make=Build,
    checks=(check_build_placeholders, check_build_commands, check_build_variables),
    keys=(
        Key("compiler", Choice(("auto", "zig", "system")), "which compiler"),
        Key("requires", REQUIRES, "an edit of the build requirements"),
        Key("env", ENV, "environment variables"),
        Key("config_settings", MapOf(t.FILLED, t.VALUE), "PEP 517 config settings"),
        Key("before", COMMANDS, "commands that run in the source first"),
    ),
)
PATCH = Table(
    wanted="a patch",
    make=Patch,
    required=("file",),
    keys=(
        Key("file", t.RELATIVE, "a patch file beside the recipe"),
        Key("versions", t.SPECIFIER, "the versions that it is for; all by default"),
    ),
)
LIMITS = Table(
    wanted="limits",
    make=Limits,
    keys=(
        Key("cpus", Number("number", 0.1), "CPUs"),
        Key("cpu", t.DURATION, "processor time, summed over all its processes"),
        Key("memory", t.SIZE, "memory of the whole process tree"),
        Key("disk", t.SIZE, "what it may write"),
        Key("pids", Number("integer", 1), "processes and threads"),
        Key("wall", t.DURATION, "time from begin to end"),
        Key("silence", t.DURATION, "time without a line of output"),
        Key("log", t.SIZE, "output"),
    ),
)
INCLUDE = Table(
    wanted="an inclusion",
    make=Include,
    required=("from", "to"),
    keys=(
        Key("from", t.FILLED, "a glob over files of the session", into="source"),
        Key("to", t.RELATIVE, "a folder of the wheel"),
    ),
)
REPAIR = Table(
    wanted="a repair part",
    make=Repair,
    keys=(
        Key("exclude", ListOf(t.FILLED), "libraries that stay external"),
        Key("search", ListOf(t.FILLED), "folders to search for libraries"),
        Key("include", ListOf(INCLUDE), "files to put into the wheel before the repair"),
    ),
)
VERIFY = Table(
    wanted="a verify part",
    make=Verify,
    keys=(Key("relax", MapOf(t.RULE, t.REASON), "rules that are relaxed, each with its reason"),),
)
SERVICE = Table(
    wanted="a service",
    make=Service,
    required=("image",),
    keys=(Key("image", t.SLUG, "name of a service image"), Key("env", ENV, "what sets the server up")),
)
TEST = Table(
    wanted="a test",
    make=Test,
    checks=(check_test, check_test_placeholders, check_test_commands, check_test_variables),
    keys=(
        Key("imports", IMPORTS, "modules to import; auto: every top-level one"),
        Key("run", COMMANDS, "commands to run"),
        Key("in", t.RELATIVE, "working directory", into="folder"),
        Key("requires", ListOf(t.REQUIREMENT), "PEP 508 requirements of the test"),
        Key("sources", ListOf(t.RELATIVE), "the only paths of the source that the test sees"),
        Key("files", MapOf(t.RELATIVE, t.VALUE), "files to write, placeholders filled in"),
        Key("env", ENV, "environment variables"),
        Key("services", MapOf(t.SERVICE, SERVICE, "services: {db: {image: mariadb}}"), "servers that the test needs"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Skip:
    reason: str


SKIP = Table(
    wanted="a reason to skip",
    make=_Skip,
    required=("skip",),
    keys=(Key("skip", t.REASON, "why the tests are left out", into="reason"),),
)


def _override(*, tests: tuple[Test, ...] | _Skip | None = None, **parts: Any) -> Override:
    if isinstance(tests, _Skip):
        return Override(skip=tests.reason, **parts)
    return Override(tests=tests, **parts)


OVERRIDE_TESTS: ByShape[tuple[Test, ...] | _Skip] = ByShape(items=ListOf(TEST), table=SKIP)
OVERRIDE = Table(
    wanted="an override",
    make=_override,
    required=("select",),
    keys=(
        Key("select", t.SELECT, "a glob over build identifiers"),
        Key("wheel", WHEEL),
        Key("system", SYSTEM),
        Key("build", BUILD),
        Key("repair", REPAIR),
        Key("verify", VERIFY),
        Key("limits", LIMITS),
        Key("tests", OVERRIDE_TESTS),
    ),
)
PUBLISH = Table(
    wanted="a publish part",
    make=Publish,
    keys=(
        Key("index", t.INDEX, "where released wheels go"),
        Key("all_targets", Boolean(), "nothing of a version before every wanted target is there"),
    ),
)
RECIPE = Table(
    wanted="a recipe",
    make=Recipe,
    required=("name",),
    keys=(
        Key("name", t.NAME, "the project"),
        Key("versions", VERSIONS, "exact versions, or a rule"),
        Key("source", SOURCE, "where the source comes from; the upstream index by default"),
        Key("targets", TARGETS, "which of the targets on offer; all by default"),
        Key("wheel", WHEEL, "what kind of wheel; auto: learnt from the first build"),
        Key("system", SYSTEM, "system packages that the build needs"),
        Key("build", BUILD, "how the wheel is built"),
        Key("patches", ListOf(PATCH), "changes of the source"),
        Key("limits", LIMITS, "bounds of one session"),
        Key("repair", REPAIR, "options of the repair tool"),
        Key("verify", VERIFY, "verify rules to relax"),
        Key("tests", ListOf(TEST), "how to know that the wheel works; by default its modules are imported"),
        Key("overrides", ListOf(OVERRIDE), "what differs for some targets"),
        Key("publish", PUBLISH, "where the wheels go"),
        Key("owners", ListOf(t.FILLED), "who answers for it"),
    ),
)


def _homes(schema: Schema, at: str = "") -> Iterator[tuple[str, str]]:
    """Every key with the path of its table."""
    for shape in (schema, *schema.get("anyOf", ())):
        for name, inner in shape.get("properties", {}).items():
            if at:
                yield name, at
            if name != "overrides":  # its parts are the recipe's
                yield from _homes(inner, f"{at}.{name}".lstrip("."))
        if "items" in shape:
            yield from _homes(shape["items"], f"{at}[]")
        if isinstance(shape.get("additionalProperties"), dict):
            yield from _homes(shape["additionalProperties"], f"{at}.NAME")


HOMES: dict[str, tuple[str, ...]] = {}
"""For each key below the top the tables that it belongs to: ``env`` → ``build``, ``tests[]``, …"""
for _name, _table in _homes(RECIPE.schema()):
    HOMES[_name] = (*HOMES.get(_name, ()), _table)


def json_schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of a recipe file. What it refuses the parser refuses; only the parser knows PEP 440."""
    schema: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "buildfarm recipe"}
    return {**schema, **RECIPE.schema()}
