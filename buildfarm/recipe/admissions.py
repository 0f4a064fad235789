"""The file of admissions: its table, its text to a value with every diagnostic at once, and back to text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.admission import Admissions, Files
from buildfarm.model.distribution import Named, named
from buildfarm.recipe import texts as t
from buildfarm.recipe.composites import Key, MapOf, Table
from buildfarm.recipe.diagnostic import Diagnostic, Span
from buildfarm.recipe.fields import Text, Wrong
from buildfarm.recipe.nodes import Kind, MapNode, Scalar
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.yamltree import read_tree


def release(text: str) -> str:
    """``name==version``, both in their normal forms; raises ``Wrong`` where it is not exactly one release."""
    wanted = Requirement(t.requirement(text))
    exact = [each.version for each in wanted.specifier if each.operator == "==" and not each.version.endswith(".*")]
    if len(exact) != 1 or len(wanted.specifier) != 1 or wanted.extras or wanted.marker:
        raise Wrong(f"{text!r} is not one release", "for example: idna==3.10")
    return f"{canonicalize_name(wanted.name)}=={Version(exact[0])}"


def _filename(text: str) -> str:
    if named(text) is None:
        raise Wrong(f"{text!r} is the name of neither a wheel nor an sdist", "for example: idna-3.10-py3-none-any.whl")
    return text


RELEASE = Text(wanted="a release", make=release, example="idna==3.10")
FILES = MapOf(
    Text(wanted="the name of a wheel or an sdist", make=_filename),
    t.HASH,
    example="idna-3.10-py3-none-any.whl: sha256:…",
)


def _check_files(node: MapNode, reading: Reading) -> None:
    """A release has files, and they are its own."""
    for part in ("admit", "proposed"):
        found = node.get(part)
        for key, files in found.entries if isinstance(found, MapNode) else ():
            if isinstance(files, MapNode):
                _check_release(key, files, reading)


def _check_release(key: Scalar, files: MapNode, reading: Reading) -> None:
    try:
        wanted = _named(release(key.text))
    except Wrong:  # told where it is read
        return
    if not files.entries:
        reading.error("no-value", key.span, f"{key.text} has no files", "name each with its hash: FILE: sha256:…")
    for file, _ in files.entries:
        own = named(file.text)
        if own and not own.same(wanted):
            reading.error("conflict", file.span, f"{file.text} is a file of {own}, not of {wanted}")


ADMISSIONS = Table(
    wanted="admissions",
    make=lambda index="", admit=None, proposed=None: Admissions(
        index=index, admit=_by_name(admit or {}), proposed=_by_name(proposed or {})
    ),
    checks=(_check_files,),
    keys=(
        Key("index", t.INDEX, "the mirror that they are let into"),
        Key("admit", MapOf(RELEASE, FILES), "releases that may come in, with the hash of every file"),
        Key("proposed", MapOf(RELEASE, FILES), "what those depend on: move to admit what may come in as well"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedAdmissions:
    """What a file came to. There are admissions exactly when there is no diagnostic that is an error."""

    admissions: Admissions | None
    diagnostics: tuple[Diagnostic, ...]


def parse_admissions(text: str, *, file: str) -> ParsedAdmissions:
    """Parse a file of admissions. ``file`` is its name in diagnostics. Never raises."""
    reading = Reading(file)
    tree = read_tree(text, reading)
    admissions = None
    if tree is None or (isinstance(tree, Scalar) and tree.kind is Kind.NULL):
        if not reading.errors:
            example = "`buildfarm admit --write FILE NAME==VERSION` writes it"
            reading.error("no-value", Span(line=1, column=1), "there is nothing in this file", example)
    else:
        admissions = ADMISSIONS.read(tree, reading)
    return ParsedAdmissions(
        admissions=None if reading.errors else admissions,
        diagnostics=tuple(sorted(reading.diagnostics, key=lambda each: each.span)),
    )


def write_admissions(admissions: Admissions) -> str:
    """The text of a file: the same for equal admissions, sorted, and parsed it gives them again."""
    lines = ["# What may come in from outside. `buildfarm admit -f` lets in what stands under admit, and nothing else."]
    if admissions.index:
        lines.append(f"index: {admissions.index}")
    lines += _part("admit", admissions.admit)
    if admissions.proposed:
        lines += ["", "# What those depend on. Move to admit what may come in as well, and remove the rest."]
        lines += _part("proposed", admissions.proposed)
    return "\n".join(lines) + "\n"


def _part(key: str, releases: Mapping[Named, Files]) -> Iterator[str]:
    yield f"{key}:" if releases else f"{key}: {{}}"
    for name in sorted(releases, key=lambda each: (each.project, Version(each.version))):
        yield f"  {name}:"
        yield from (f"    {file}: sha256:{releases[name][file]}" for file in sorted(releases[name]))


def _by_name(releases: Mapping[str, Files]) -> Mapping[Named, Files]:
    found = {}
    for text, files in releases.items():
        found[_named(text)] = {file: digest.removeprefix("sha256:") for file, digest in files.items()}
    return found


def _named(text: str) -> Named:
    project, _, version = text.partition("==")
    return Named(project=project, version=version)
