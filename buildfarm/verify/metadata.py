"""Rules about METADATA: that installers can read it, and that it admits the Pythons the wheel is for."""

from __future__ import annotations

import re
from collections.abc import Iterator

from packaging.metadata import InvalidMetadata, Metadata, RawMetadata
from packaging.requirements import InvalidRequirement, Requirement
from packaging.specifiers import InvalidSpecifier, SpecifierSet

from buildfarm.model.wheel import Finding
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error, some, warning
from buildfarm.verify.wheelfile import Wheel

_KNOWN = ("1.0", "1.1", "1.2", "2.0", "2.1", "2.2", "2.3", "2.4", "2.5")
_ALL_FIELDS = "2.4"  # backends write fields before the version that has them, and installers do not mind
_DECISIVE = frozenset({"name", "version", "requires-python", "requires-dist"})
_ELSEWHERE = frozenset({"metadata-version", "license-files"})
_NEWEST_MICRO = 40
_INTERPRETER = re.compile(r"cp(\d)(\d+)")


def metadata(wheel: Wheel, _: Claim) -> Iterator[Finding]:
    """METADATA is of a known version, its fields are valid, and no requirement is a URL (core metadata)."""
    said, where = wheel.metadata, f"{wheel.dist_info}/METADATA"
    if said.metadata_version not in _KNOWN:
        yield error(
            f"METADATA is of version {said.metadata_version!r}, and installers know {_KNOWN[0]} to {_KNOWN[-1]}",
            subject=where,
            advice="lower the version of the build backend, which writes it",
        )
    for field, problem in _problems(said.fields):
        if field in _DECISIVE:
            yield error(problem, subject=where, advice="correct it in the source, or with a patch in the recipe")
        elif field not in _ELSEWHERE:
            yield warning(problem, subject=where)
    if said.unread:
        yield warning(f"METADATA has fields that nobody reads: {some(said.unread)}", subject=where)
    if direct := [line for line in said.requires_dist if _is_direct(line)]:
        yield error(
            f"METADATA requires URLs: {some(direct)}",
            subject=where,
            advice="an index cannot bring them: name the project and its versions, with a patch in the recipe",
        )


def requires_python(wheel: Wheel, claim: Claim) -> Iterator[Finding]:
    """Requires-Python admits the target's Python, or else one of those that the tags name."""
    try:
        admitted = SpecifierSet(wheel.metadata.requires_python)
    except InvalidSpecifier:
        return  # told by metadata
    if claim.target is not None:
        pythons = {claim.target.python}
    else:
        found = [_INTERPRETER.fullmatch(tag.interpreter) for tag in wheel.tags if tag.abi not in ("abi3", "none")]
        pythons = {(int(match[1]), int(match[2])) for match in found if match}
    if pythons and not any(_admits(admitted, python) for python in pythons):
        yield error(
            f"METADATA requires Python {admitted}, and the wheel is for {some([f'{a}.{b}' for a, b in pythons])}",
            subject=f"{wheel.dist_info}/METADATA",
            advice=f"narrow the recipe: targets: {{python: {str(wheel.metadata.requires_python)!r}}}",
        )


def _admits(admitted: SpecifierSet, python: tuple[int, int]) -> bool:
    major, minor = python
    return any(admitted.contains(f"{major}.{minor}.{micro}") for micro in range(_NEWEST_MICRO))


def _problems(fields: RawMetadata) -> Iterator[tuple[str, str]]:
    """Field and sentence, for each field that is not valid."""
    version = max(fields.get("metadata_version", ""), _ALL_FIELDS)
    try:
        Metadata.from_raw({**fields, "metadata_version": version})
    except ExceptionGroup as group:
        for each in group.exceptions:
            field = each.field if isinstance(each, InvalidMetadata) else ""
            yield field, f"METADATA is not valid: {each}"
    except (ValueError, RecursionError) as problem:  # a number of thousands of digits, thousands of brackets
        yield "version", f"METADATA is not valid: {problem}"


def _is_direct(requirement: str) -> bool:
    try:
        return Requirement(requirement).url is not None
    except (InvalidRequirement, ValueError, RecursionError):
        return False  # told by its field
