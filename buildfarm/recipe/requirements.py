"""Requirements files, and single requirements, as recipes: whatever needs no instruction needs no recipe file."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from operator import itemgetter

from packaging.markers import Marker
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import Specifier, SpecifierSet
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildfarm.model.recipe import Recipe, SdistSource, Targets, Track
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, lines_of
from buildfarm.recipe.fields import Wrong
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.texts import HASH, REQUIREMENT, pythons, widened
from buildfarm.recipe.yamltree import LONGEST

_GIT = "git+"
_COMMENT = re.compile(r"(^|\s)#.*$")  # as pip reads it: a # inside a word is no comment
_OPTION = re.compile(r"\s(--?[A-Za-z][A-Za-z-]*)(?:[= ]\s*(\S+))?")
_PYTHON = re.compile(r'python_version (==|!=|<=|>=|<|>) "([0-9]+)\.([0-9]+)"')
_INSTEAD = {
    "-r": "name the other file beside this one: -r FIRST -r SECOND",
    "-c": "write the bounds into the requirements",
    "-e": "write a recipe with source: {path: …}",
    "--no-binary": "that is what buildfarm does anyway: leave it out",
    "-i": "buildfarm asks the index that pip is configured for",
}
_SHORT = {
    "--requirement": "-r",
    "--constraint": "-c",
    "--editable": "-e",
    "--index-url": "-i",
    "--extra-index-url": "-i",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedRequirements:
    """The recipes of a requirements file, in its order, without the lines that are wrong, and the diagnostics."""

    recipes: tuple[Recipe, ...]
    diagnostics: tuple[Diagnostic, ...]


@dataclass(frozen=True, slots=True)
class _Line:
    """A logical line: its text, and for each physical line in it where that begins in the text, and its number."""

    text: str
    starts: tuple[tuple[int, int], ...]

    def span(self, start: int, end: int) -> Span:
        """The place of ``text[start:end]``, cut at the end of its physical line."""
        index = bisect_right(self.starts, start, key=itemgetter(0)) - 1
        first, number = self.starts[index]
        last = self.starts[index + 1][0] if index + 1 < len(self.starts) else len(self.text)
        return Span(line=number, column=start - first + 1, length=max(min(end, last) - start, 1))


def parse_requirements(text: str, *, file: str) -> ParsedRequirements:
    """Parse a requirements file (PEP 508 lines, comments, ``--hash``, continuations): one recipe for each project.

    ``==1.0`` gives ``versions=("1.0",)``, another specifier ``(">=1,<2",)``, none ``Track()``. Lines of one project
    with exact versions are joined. Never raises.
    """
    reading = Reading(file)
    recipes: dict[str, Recipe] = {}
    if len(text) > LONGEST:
        reading.error("too-much", Span(line=1, column=1), f"the file has more than {LONGEST:,} characters", "split it")
        text = ""
    for line in _logical(lines_of(text)):
        recipe = _read(line, reading)
        if recipe is None:
            continue
        joined = _join(recipes[recipe.name], recipe) if recipe.name in recipes else recipe
        if joined is None:
            place = line.span(*_word(line.text))
            reading.error(
                "duplicate",
                place,
                f"{recipe.name} is there already",
                "only exact versions with equal conditions add up",
            )
        else:
            recipes[recipe.name] = joined
    return ParsedRequirements(recipes=tuple(recipes.values()), diagnostics=tuple(reading.diagnostics))


def parse_requirement(text: str, *, file: str = "requirement") -> Recipe | Diagnostic:
    """Parse one requirement, such as an operand of the command line; the first error where there is one."""
    reading = Reading(file)
    recipe = _read(_Line(text, ((0, 1),)), reading)
    if recipe is not None:
        return recipe
    return next(each for each in reading.diagnostics if each.severity is Severity.ERROR)


def _logical(lines: Iterable[str]) -> Iterator[_Line]:
    """Lines joined where they end in a backslash, without comments and blank ones."""
    text, starts = "", []
    for number, line in enumerate(lines, start=1):
        goes_on = line.endswith("\\") and not line.lstrip().startswith("#")
        starts.append((len(text), number))
        text += line[:-1] + " " if goes_on else _COMMENT.sub("", line)
        if not goes_on:
            if text.strip():
                yield _Line(text.rstrip(), tuple(starts))
            text, starts = "", []
    if text.strip():
        yield _Line(text.rstrip(), tuple(starts))


def _word(text: str) -> tuple[int, int]:
    """Where the requirement, or the option, of a line begins and ends."""
    start = len(text) - len(text.lstrip())
    option = _OPTION.search(text, start + 1)
    return start, len(text[: option.start() if option else len(text)].rstrip())


def _read(line: _Line, reading: Reading) -> Recipe | None:
    start, end = _word(line.text)
    written, place, errors = line.text[start:end], line.span(start, end), reading.errors
    if written.startswith("-"):
        option = re.split(r"[\s=]", written, maxsplit=1)[0]
        advice = _INSTEAD.get(_SHORT.get(option, option), "one requirement a line, nothing else")
        reading.error("option", place, f"the option {option} is not taken here", advice)
        return None
    hashes = tuple(_hashes(line, end, reading))
    try:
        requirement = Requirement(written)
    except InvalidRequirement:
        reading.error("value", place, f"{written!r} is no requirement (PEP 508)", _instead(written))
        return None
    name = canonicalize_name(requirement.name)
    if requirement.url:
        reading.error("value", place, f"{written!r} is a direct reference", _reference(requirement.url))
    if requirement.extras:
        reading.warn(
            "unused",
            place,
            "extras do not change a wheel; they are ignored",
            f"write {name}, and what the extra requires",
        )
    versions = _versions(requirement.specifier)
    exact = versions[0] if isinstance(versions, tuple) and _exact(requirement.specifier) else ""
    if hashes and not exact:
        reading.error("value", place, "--hash needs an exact version", f"write {name}==VERSION")
    if len(hashes) > 1:
        message = f"which of {len(hashes)} hashes is the sdist's is not known; they are ignored"
        reading.warn(
            "unused", place, message, "give the sdist's alone; without one, the first pin is recorded and kept"
        )
    recipe = Recipe(name=name, versions=versions, targets=_targets(requirement.marker, place, reading))
    if exact and len(hashes) == 1:
        recipe = replace(recipe, source=SdistSource(hashes={exact: hashes[0]}))
    return recipe if reading.errors == errors else None


def _instead(written: str) -> str:
    """What to do about a text that is no requirement."""
    if written.startswith(_GIT):
        return _reference(written)
    if "/" in written:
        return "a file or folder wants a recipe with source: {path: …}"
    try:
        REQUIREMENT.value(written)
    except Wrong as wrong:
        return wrong.advice
    return ""


def _reference(url: str) -> str:
    """The recipe that says what the direct reference does."""
    if not url.startswith(_GIT):
        return "write a recipe with source: {url: …, sha256: …}"
    repository = re.sub(r"(@[^@/]+)?(#.*)?$", "", url.removeprefix(_GIT))
    return f"write a recipe with source: {{git: {repository}, commit: …}}"


def _hashes(line: _Line, start: int, reading: Reading) -> Iterator[str]:
    for match in _OPTION.finditer(line.text, start):
        place = line.span(match.start(1), match.end())
        if match[1] != "--hash":
            reading.error(
                "option",
                place,
                f"the option {match[1]} is not taken here",
                "only --hash=sha256:… follows a requirement",
            )
            continue
        try:
            yield HASH.value(match[2] or "")
        except Wrong as wrong:
            reading.error("value", place, str(wrong), "other digests are not taken: hash the file with sha256")


def _exact(specifiers: SpecifierSet) -> str:
    """The version in its normal form that the specifier set is, whole, or empty."""
    only: Specifier | None = next(iter(specifiers)) if len(specifiers) == 1 else None
    if only is None or only.operator not in ("==", "===") or only.version.endswith(".*"):
        return ""
    try:
        return str(Version(only.version))
    except InvalidVersion:
        return ""


def _versions(specifiers: SpecifierSet) -> tuple[str, ...] | Track:
    if not specifiers:
        return Track()
    return (_exact(specifiers) or str(specifiers),)


def _targets(marker: Marker | None, place: Span, reading: Reading) -> Targets:
    """A marker that only compares ``python_version``, joined by ``and``, as ``Targets.python``; others are ignored."""
    if marker is None:
        return Targets()
    matches = [_PYTHON.fullmatch(each) for each in str(marker).split(" and ")]
    parts = [widened(*match.groups()) for match in matches if match]
    if len(parts) < len(matches):
        reading.warn(
            "marker",
            place,
            f"the marker '{marker}' is ignored",
            "only python_version comparisons joined by 'and' are heeded",
        )
        return Targets()
    try:
        return Targets(python=pythons(",".join(parts)))
    except Wrong as wrong:
        reading.error("value", place, str(wrong), wrong.advice)
        return Targets()


def _join(first: Recipe, second: Recipe) -> Recipe | None:
    """Both as one recipe where both have exact versions for the same targets and no two hashes for one; else None."""
    if first == second:
        return first
    if isinstance(first.versions, Track) or isinstance(second.versions, Track) or first.targets != second.targets:
        return None
    if not all(version[0].isdigit() for version in (*first.versions, *second.versions)):  # a specifier has an operator
        return None
    hashes: dict[str, str] = {}
    for source in (first.source, second.source):
        for version, sha256 in source.hashes.items() if isinstance(source, SdistSource) else ():
            if hashes.setdefault(version, sha256) != sha256:
                return None
    versions = tuple(dict.fromkeys((*first.versions, *second.versions)))
    return replace(first, versions=versions, source=SdistSource(hashes=hashes))
