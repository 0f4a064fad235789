"""Kinds of text: what each admits, and the value it becomes."""

from __future__ import annotations

import re
import shlex
from functools import lru_cache

from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildfarm.model.rules import RULE_NAMES
from buildfarm.recipe import guesses
from buildfarm.recipe.fields import Choice, Text, Wrong
from buildfarm.recipe.platforms import PYTHONS, identifier_glob, platform_glob
from buildfarm.recipe.specifiers import contradictory, normal

_UNITS = {"KiB": 1024, "MiB": 1024**2, "GiB": 1024**3, "TiB": 1024**4}
LONGEST_COMMAND = 8_000  # as the shortest of our platforms has it
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
    """A specifier set in its normal form (PEP 440), not empty, that some version meets; raises ``Wrong``."""
    try:
        wanted = normal(text)
    except InvalidSpecifier:
        wanted = ""
    if not wanted:
        raise Wrong(f"{text!r} is no version specifier (PEP 440)", 'for example: ">=3.11", "<2.4,>=2.0"')
    if contradictory(text):
        raise Wrong(f"no version is {text!r}", "a comma means 'and': every part holds at once")
    return wanted


@lru_cache(maxsize=1024)
def pythons(text: str) -> str:
    """A specifier over Pythons that some CPython meets, whatever its patch level; raises ``Wrong``."""
    wanted = specifier(text)
    for each in wanted.split(","):
        if bare := _NO_PATCH_LEVEL.fullmatch(each):
            raise Wrong(f"{each!r} compares with {bare[2]}.{bare[3]}.0 alone", f'write "{widened(*bare.groups())}"')
    if not any(SpecifierSet(wanted).contains(f"{major}.{minor}.99") for major, minor in PYTHONS):
        raise Wrong(f"no CPython is {wanted!r}", f'those that may be named: {_PYTHONS}; for example: ">=3.11"')
    return wanted


def widened(operator: str, major: str, minor: str) -> str:
    """The comparison with ``major.minor`` as one that means every patch level of it."""
    return _BARE.get(operator, operator + "{0}.{1}").format(major, minor, int(minor) + 1)


@lru_cache(maxsize=4096)
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
    if contradictory(str(parsed.specifier)):
        raise Wrong(
            f"no version of {parsed.name} is '{parsed.specifier}'", "a comma means 'and': all parts hold at once"
        )
    return str(parsed)


def command(text: str) -> str:
    """One command on one line, its quotes in pairs; raises ``Wrong``."""
    line = text.strip()
    if len(line) > LONGEST_COMMAND:
        raise Wrong(f"the command is longer than {LONGEST_COMMAND:,} characters", "put it into a file under 'files'")
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


def sha256(text: str) -> str:
    """``sha256:…``; raises ``Wrong`` that counts the digits, or names the first character that is none."""
    algorithm, colon, digits = text.partition(":")
    if not colon or algorithm != "sha256":
        if algorithm in ("md5", "sha1", "sha384", "sha512", "blake2b"):
            raise Wrong(f"{algorithm} is not taken; wanted: {HASH.wanted}", HASH.advice, (0, len(algorithm)))
        raise Wrong(f"{text!r} is not {HASH.wanted}", HASH.advice)
    start = len("sha256:")
    if bad := re.search("[^0-9a-f]", digits):
        raise Wrong(f"{bad[0]!r} is no hex digit in lower case", HASH.advice, (start + bad.start(), 1))
    if len(digits) != _DIGITS:
        raise Wrong(
            f"this hash has {len(digits)} hex digits; a sha256 has {_DIGITS}", HASH.advice, (start, len(digits))
        )
    return text


def commit(text: str) -> str:
    """A full object name of git; raises ``Wrong`` that says what it is instead."""
    if re.fullmatch("[0-9a-f]{40}([0-9a-f]{24})?", text):
        return text
    if re.fullmatch("[0-9a-f]{4,}", text):
        raise Wrong(f"{text!r} has {len(text)} hex digits; a full commit name has 40 or 64", COMMIT.advice)
    raise Wrong(f"{text!r} is a branch or a tag, which may move; wanted: {COMMIT.wanted}", COMMIT.advice)


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


_DIGITS = 64
_PYTHONS = f"2.7 and 3.{PYTHONS[1][1]} to 3.{PYTHONS[-1][1]}"
_SEGMENT = "[a-z0-9][a-z0-9._-]*"
_FILLED = r"[\s\S]*\S[\s\S]*"

NAME = Text(
    wanted="a project name (PEP 508)",
    make=lambda text: str(canonicalize_name(text)),
    pattern="[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?",
    example="mysqlclient",
    guess=guesses.name,
)
VERSION = Text(wanted="a version", make=version, example="2.3.1")
SPECIFIER = Text(wanted="a version specifier", make=specifier, example="<2.4", guess=guesses.specifier)
PYTHON = Text(wanted="a version specifier over Pythons", make=pythons, example=">=3.11", guess=guesses.pythons)
REQUIREMENT = Text(wanted="a requirement", make=requirement, example="setuptools<81", guess=guesses.requirement)
HASH = Text(
    wanted="'sha256:' and 64 hex digits in lower case",
    make=sha256,
    advice="`sha256sum FILE` tells it",
    shape="sha256:[0-9a-f]{64}",
    guess=guesses.sha256,
)
COMMIT = Text(
    wanted="a full commit name (40 or 64 hex digits)",
    make=commit,
    advice="`git rev-parse TAG` tells it",
    shape="[0-9a-f]{40}([0-9a-f]{24})?",
)
PLATFORM = Text(wanted="a glob over platform tags", make=platform_glob, example="manylinux_2_28_*")
SELECT = Text(wanted="a glob over build identifiers", make=identifier_glob, example="*-musllinux_*")
URL = Text(wanted="an http(s) URL", make=str, pattern=r"https?://[^\s/]+/\S+")
GIT_URL = Text(
    wanted="an https or ssh URL of a git repository",
    make=str,
    pattern=r"(https?|ssh)://[^\s/]+/\S+",
    guess=guesses.git_url,
)
RELATIVE = Text(wanted="a relative path", make=relative, example="tests/", guess=guesses.path)
BESIDE = Text(wanted="a path relative to the recipe file", make=beside, example="../project", guess=guesses.path)
COMMAND = Text(wanted="a command", make=command, example="python -m pytest")
VALUE = Text(wanted="text", make=str)
FILLED = Text(wanted="text that is not empty", make=str, pattern=_FILLED)
REASON = Text(
    wanted="a reason in words", make=str.strip, pattern=_FILLED, example="needs a server that has no image here"
)
ENV_NAME = Text(
    wanted="the name of an environment variable",
    make=str,
    pattern="[A-Za-z_][A-Za-z0-9_]*",
    example="CFLAGS",
    guess=guesses.word,
)
MODULE = Text(
    wanted="a module name",
    make=str,
    pattern=r"[A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*",
    example="MySQLdb.cursors",
    guess=guesses.module,
)
PACKAGE = Text(  # never an option: it goes to a package manager that runs as root
    wanted="a system package", make=str, pattern=r"[A-Za-z0-9][A-Za-z0-9@+._:/=~,\[\]-]*", example="libyaml-dev"
)
SLUG = Text(wanted="a name in lower case", make=str, pattern=_SEGMENT, example="mariadb", guess=guesses.lower)
RULE = Choice(RULE_NAMES, called="the name of a verify rule")
SERVICE = Text(wanted="a service's name", make=str, pattern="[a-z][a-z0-9_]*", example="db", guess=guesses.word)
INDEX = Text(
    wanted="an index name (one or two segments)",
    make=index_name,
    pattern=f"{_SEGMENT}(/{_SEGMENT})?",
    example="company/base",
    guess=guesses.index,
)
SIZE = Text(
    wanted="a size with its unit",
    make=size,
    pattern=r"[0-9]{1,6}(\.[0-9]{1,3})?(KiB|MiB|GiB|TiB)",
    example="4GiB",
    guess=guesses.size,
)
DURATION = Text(
    wanted="a duration with its unit",
    make=duration,
    pattern="(?=[0-9])([0-9]{1,4}h)?([0-9]{1,6}m)?([0-9]{1,8}s)?",
    example="1h, 10m, 30s",
    guess=guesses.duration,
)
