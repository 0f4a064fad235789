"""What is wrong, or surely not meant, between versions, source and patches."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from posixpath import basename

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from buildfarm.model.recipe import GitSource, PathSource, Recipe, SdistSource, Track, UrlSource
from buildfarm.model.session import ARCHIVES
from buildfarm.model.url import redacted
from buildfarm.recipe.diagnostic import Span
from buildfarm.recipe.nodes import MapNode, Scalar
from buildfarm.recipe.reading import Reading

_SDIST = "source.sdist."
_SINGLE: Mapping[type, str] = {UrlSource: "url", GitSource: "git", PathSource: "path"}
_VERSION = re.compile(r"(?<![0-9.])[0-9]+(?:\.[0-9]+)+(?:(?:a|b|rc|\.post|\.dev)[0-9]+)?")


def judge_versions(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Versions that are listed twice."""
    for number, place in _repeated(recipe.exact):
        message = f"this version is there already, as item {place + 1}"
        reading.error("duplicate", spans[f"versions[{number}]"], message, "leave one out")


def judge_source(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Whether the source can be of the versions."""
    source, exact = recipe.source, recipe.exact
    what = _SINGLE.get(type(source), "")
    if (what and len(exact) > 1) or (what in ("url", "git") and not exact):
        span = spans.get("versions", spans.get(f"source.{what}", Span(line=1, column=1)))
        message = f"a {what} source is one version; this recipe has {len(exact) or 'no exact one'}"
        reading.error("conflict", span, message, 'versions: ["1.0"]')
    if isinstance(source, PathSource) and isinstance(recipe.versions, Track) and "versions" in spans:
        advice = "leave 'versions' out, or name the one where only code would tell it"
        reading.warn("unused", spans["versions"], "a path has no releases to follow", advice)
    if isinstance(source, UrlSource):
        _judge_url(source, exact, spans["source.url"], reading)
    if isinstance(source, SdistSource):
        _judge_hashes(source, exact, spans, reading)


def judge_patches(recipe: Recipe, spans: Mapping[str, Span], reading: Reading) -> None:
    """Patches that are for no version, or written twice."""
    exact = recipe.exact
    seen: set[tuple[str, str]] = set()
    for number, patch in enumerate(recipe.patches):
        path = f"patches[{number}]"
        if exact and not any(SpecifierSet(patch.versions).filter(exact, prereleases=True)):
            span = spans.get(f"{path}.versions", spans[path])
            message = "the patch is for no version of this recipe"
            reading.warn("unused", span, message, f"it has: {', '.join(exact)}")
        if (patch.file, patch.versions) in seen:
            reading.warn("duplicate", spans[f"{path}.file"], "this patch is there already", "leave one out")
        seen.add((patch.file, patch.versions))


def commit_of(key: str, source: MapNode) -> str:
    """What to do about a key of a git source that names a branch or a tag; empty for another key."""
    url, ref = source.get("git"), source.get(key)
    if key not in ("branch", "ref", "tag", "rev") or not isinstance(url, Scalar) or not isinstance(ref, Scalar):
        return ""
    return f"`git ls-remote {url.text} {ref.text}` tells the commit of today: write that as 'commit'."


def _judge_url(source: UrlSource, exact: tuple[str, ...], span: Span, reading: Reading) -> None:
    url = redacted(source.url)
    path, _, fragment = url.partition("#")
    names = (basename(path.partition("?")[0]), basename(fragment))
    name = next((each for each in names if each.endswith(ARCHIVES)), names[0])
    if name.endswith(".whl"):
        reading.warn("other-source", span, f"{name} is a wheel, which is no source", "name its sdist")
    elif not name.endswith(ARCHIVES):
        advice = f"append its name: {url}#NAME-VERSION.tar.gz"
        reading.warn("other-source", span, f"{name or url!r} is not named like an archive", advice)
    versions = [found[0] for found in _VERSION.finditer(name)]
    if len(exact) == 1 and versions and all(Version(each) != Version(exact[0]) for each in versions):
        message = f"{name} looks like version {versions[-1]}; this recipe is of {exact[0]}"
        reading.warn("other-source", span, message, "write the version and the URL of one release")


def _judge_hashes(source: SdistSource, exact: tuple[str, ...], spans: Mapping[str, Span], reading: Reading) -> None:
    listed = {Version(version) for version in exact}
    written = {Version(path.removeprefix(_SDIST)): span for path, span in spans.items() if path.startswith(_SDIST)}
    for version, span in written.items():
        if listed and version not in listed:
            message = f"{version} is not among the versions; its hash is never used"
            reading.warn("unused", span, message, "list it, or leave it out")
    first: dict[str, str] = {}
    for number, sha256 in source.hashes.items():
        if other := first.get(sha256):
            message = f"this is the hash of {other} too: two releases are not the same file"
            reading.warn("duplicate", written[Version(number)], message, "`buildfarm recipe pin` fills hashes in")
        first.setdefault(sha256, number)


def _repeated(versions: tuple[str, ...]) -> Iterator[tuple[int, int]]:
    """Each version that comes again: its place, and the place of the first."""
    first: dict[Version, int] = {}
    for number, text in enumerate(versions):
        place = first.setdefault(Version(text), number)
        if place != number:
            yield number, place
