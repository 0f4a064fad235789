"""Kinds of text: what each admits, and the value it becomes."""

from __future__ import annotations

import re
import shlex

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildfarm.recipe.fields import Text, Wrong
from buildfarm.recipe.platforms import PYTHONS, identifier_glob, platform_glob

_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
_LONGEST_COMMAND = 8_000  # as the shortest of our platforms has it
_SECONDS = {"h": 3600, "m": 60, "s": 1}
_NO_PATCH_LEVEL = re.compile(r"(==|!=|<=|>)\s*([0-9]+)\.([0-9]+)")
_BARE = {"==": "=={0}.{1}.*", "!=": "!={0}.{1}.*", "<=": "<{0}.{2}", ">": ">={0}.{2}"}


def version(text: str) -> str:
    """A version in its normal form (PEP 440); raises ``Wrong``."""
    try:
        return str(Version(text))
    except InvalidVersion:
        advice = "a range stands in a requirement; a recipe lists exact versions, or: {track: latest}"
        raise Wrong(
            f"{text!r} is no version (PEP 440)", advice if text[:1] in "<>=~!" else "for example: 2.3.1"
        ) from None


def specifier(text: str) -> str:
    """A specifier set in its normal form (PEP 440), not empty; raises ``Wrong``."""
    try:
        if text.strip():
            return str(SpecifierSet(text))
    except InvalidSpecifier:
        pass
    raise Wrong(f"{text!r} is no version specifier (PEP 440)", 'for example: ">=3.11", "<2.4,>=2.0"')


def pythons(text: str) -> str:
    """A specifier over Pythons that some CPython meets, whatever its patch level; raises ``Wrong``."""
    wanted = specifier(text)
    for each in wanted.split(","):
        if bare := _NO_PATCH_LEVEL.fullmatch(each):
            raise Wrong(f"{each!r} compares with {bare[2]}.{bare[3]}.0 alone", f'write "{widened(*bare.groups())}"')
    if not any(SpecifierSet(wanted).contains(f"{major}.{minor}.99") for major, minor in PYTHONS):
        raise Wrong(f"no CPython is {wanted!r}", 'for example: ">=3.11"')
    return wanted


def widened(operator: str, major: str, minor: str) -> str:
    """The comparison with ``major.minor`` as one that means every patch level of it."""
    return _BARE.get(operator, operator + "{0}.{1}").format(major, minor, int(minor) + 1)


def requirement(text: str) -> str:
    """A requirement in its normal form (PEP 508), no direct reference; raises ``Wrong``."""
    try:
        parsed = Requirement(text)
    except InvalidRequirement:
        raise Wrong(
            f"{text!r} is no requirement (PEP 508)", 'for example: setuptools, "numpy>=2", "cython<3.1"'
        ) from None
    if parsed.url:
        raise Wrong(f"{text!r} is a direct reference", f"only an index is asked: {parsed.name}==VERSION")
    return str(parsed)


def command(text: str) -> str:
    """One command on one line, its quotes in pairs; raises ``Wrong``."""
    line = text.strip()
    if len(line) > _LONGEST_COMMAND:
        raise Wrong(f"the command is longer than {_LONGEST_COMMAND:,} characters", "put it into a file under 'files'")
    if len(line.splitlines()) != 1:
        raise Wrong(
            "a command is one line" if line else "the command is empty",
            "several commands are a list: run: [first, second]",
        )
    try:
        shlex.split(line)
    except ValueError as error:
        raise Wrong(
            f"the command cannot be split into words: {error}", "quotes come in pairs; \\ before a single one"
        ) from None
    return line


def relative(text: str) -> str:
    """A path below some folder, as written; raises ``Wrong`` where it could lead out."""
    parts = re.split(r"[/\\]", text)
    if "\\" in text or not parts[0] or re.match(r"[A-Za-z]:", text) or ".." in parts:
        raise Wrong(f"{text!r} is not a path inside", "relative, with / between folders, and no ..")
    return text


def beside(text: str) -> str:
    """A path relative to the recipe's folder, which may lead out of it; raises ``Wrong``."""
    if "\\" in text or text[:1] in ("", "/", "~") or re.match(r"[A-Za-z]:", text):
        raise Wrong(f"{text!r} is not relative", "relative to the recipe file, with /: ../project")
    return text


def index_name(text: str) -> str:
    """The name of an index; raises ``Wrong`` for the reserved word."""
    if "simple" in text.split("/"):
        raise Wrong(f"{text!r}: the word 'simple' is reserved in names of indexes", "for example: company/base")
    return text


def size(text: str) -> int:
    """Bytes; raises ``Wrong`` for none."""
    if found := round(float(text[:-3]) * _UNITS[text[-3:]]):
        return found
    raise Wrong(f"{text!r} leaves nothing", "for example: 4GiB")


def duration(text: str) -> float:
    """Seconds; raises ``Wrong`` for none."""
    if found := sum(int(count) * _SECONDS[unit] for count, unit in re.findall(r"([0-9]+)([hms])", text)):
        return float(found)
    raise Wrong(f"{text!r} leaves no time", "for example: 1h, 10m, 30s")


_SEGMENT = "[a-z0-9][a-z0-9._-]*"
_FILLED = r"[\s\S]*\S[\s\S]*"

NAME = Text(
    wanted="a project name (PEP 508)",
    make=lambda text: str(canonicalize_name(text)),
    pattern="[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
    example="mysqlclient",
)
VERSION = Text(wanted="a version", make=version, example="2.3.1")
SPECIFIER = Text(wanted="a version specifier", make=specifier, example="<2.4")
PYTHON = Text(wanted="a version specifier over Pythons", make=pythons, example=">=3.11")
REQUIREMENT = Text(wanted="a requirement", make=requirement, example="setuptools<81")
HASH = Text(
    wanted="'sha256:' and 64 hex digits in lower case",
    make=str,
    pattern="sha256:[0-9a-f]{64}",
    advice="`sha256sum FILE` tells it",
)
COMMIT = Text(
    wanted="a full commit name (40 or 64 hex digits)",
    make=str,
    pattern="[0-9a-f]{40}([0-9a-f]{24})?",
    advice="git rev-parse TAG tells it; a branch or tag may move",
)
PLATFORM = Text(wanted="a glob over platform tags", make=platform_glob, example="manylinux_2_28_*")
SELECT = Text(wanted="a glob over build identifiers", make=identifier_glob, example="*-musllinux_*")
URL = Text(wanted="an http(s) URL", make=str, pattern=r"https?://[^\s/]+/\S+")
GIT_URL = Text(wanted="an https or ssh URL of a git repository", make=str, pattern=r"(https?|ssh)://[^\s/]+/\S+")
RELATIVE = Text(wanted="a relative path", make=relative, example="tests/")
BESIDE = Text(wanted="a path relative to the recipe file", make=beside, example="../project")
COMMAND = Text(wanted="a command", make=command, example="python -m pytest")
VALUE = Text(wanted="text", make=str)
FILLED = Text(wanted="text that is not empty", make=str, pattern=_FILLED)
REASON = Text(
    wanted="a reason in words", make=str.strip, pattern=_FILLED, example="needs a server that has no image here"
)
ENV_NAME = Text(
    wanted="the name of an environment variable", make=str, pattern="[A-Za-z_][A-Za-z0-9_]*", example="CFLAGS"
)
MODULE = Text(
    wanted="a module name",
    make=str,
    pattern=r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*",
    example="MySQLdb.cursors",
)
PACKAGE = Text(  # never an option: it goes to a package manager that runs as root
    wanted="a system package", make=str, pattern=r"[A-Za-z0-9][A-Za-z0-9@+._:/=~,\[\]-]*", example="libyaml-dev"
)
SLUG = Text(wanted="a name in lower case", make=str, pattern=_SEGMENT, example="mariadb")
RULE = Text(wanted="the name of a verify rule", make=str, pattern="[a-z][a-z0-9-]*", example="licence-file")
SERVICE = Text(wanted="a service's name", make=str, pattern="[a-z][a-z0-9_]*", example="db")
INDEX = Text(
    wanted="an index name (one or two segments)",
    make=index_name,
    pattern=f"{_SEGMENT}(/{_SEGMENT})?",
    example="company/base",
)
SIZE = Text(
    wanted="a size with its unit", make=size, pattern=r"[0-9]{1,6}(\.[0-9]{1,3})?(KiB|MiB|GiB|TiB)", example="4GiB"
)
DURATION = Text(
    wanted="a duration with its unit",
    make=duration,
    pattern="(?=[0-9])([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?",
    example="1h, 10m, 30s",
)
