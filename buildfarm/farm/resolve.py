"""Pin what the recipes of a request stand for: exact versions and the bytes of their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from posixpath import basename
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.patches import after_patches, keep_patches
from buildfarm.farm.refusal import changed, other_bytes, unknown_project, unknown_version
from buildfarm.model.errors import RecipeError, Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildRequest
from buildfarm.model.origin import GIT, Offer
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import GitSource, PathSource, Recipe, SdistSource, Track, UrlSource
from buildfarm.model.records import Resolution
from buildfarm.model.session import ARCHIVES
from buildfarm.model.url import redacted
from buildfarm.ports import Progress

Versions = Mapping[str, KnownSource | Reason] | Reason


def resolve(farm: Coordinator, request: BuildRequest) -> Resolution:
    """What every recipe of the request stands for; remembered, so that a kill or a later release changes nothing."""
    known = farm.requests.resolution(request.id)
    if known is not None:
        return known
    farm.requests.resolve(request.id, look_up(farm, request))
    return farm.requests.resolution(request.id) or {}


def with_bytes(farm: Coordinator, recipe: Recipe) -> Recipe:
    """The recipe with the digests of its patches and of its source, where that is a local one that can be read."""
    recipe = keep_patches(farm, recipe)
    if not isinstance(recipe.source, PathSource):
        return recipe
    try:
        _, source = farm.sources.local(recipe)
    except (RecipeError, Unavailable):  # said when it is looked up
        return recipe
    return replace(recipe, source=replace(recipe.source, sha256=source.pin.artifact.sha256))


def look_up(farm: Coordinator, request: BuildRequest) -> Resolution:
    """What every recipe stands for now, several looked up at once; sources are pinned and fetched."""
    names = [recipe.name for recipe in request.recipes]
    with ThreadPoolExecutor(max_workers=8) as pool:
        return dict(zip(names, pool.map(lambda recipe: _of_recipe(farm, recipe), request.recipes), strict=True))


def _of_recipe(farm: Coordinator, recipe: Recipe) -> Versions:
    try:
        recipe = keep_patches(farm, recipe)
        return {
            version: source if isinstance(source, Reason) else after_patches(farm, recipe, version, source)
            for version, source in _unpatched(farm, recipe).items()
        }
    except Unavailable as unavailable:
        return unavailable.reason
    except RecipeError as error:
        return Reason(code="source", message=str(error))


def _unpatched(farm: Coordinator, recipe: Recipe) -> Mapping[str, KnownSource | Reason]:
    match recipe.source:
        case SdistSource():
            return _of_sdists(farm, recipe, recipe.source)
        case PathSource():
            version, source = farm.sources.local(recipe)
            return {version or _single(recipe): source}
        case UrlSource():
            offer = replace(_of_url(recipe.source), sha256=recipe.source.sha256.removeprefix("sha256:"))
            return {_single(recipe): _fetch(farm, recipe.name, offer, key="source.sha256")}
        case GitSource():
            version = _single(recipe)
            return {version: _fetch(farm, recipe.name, _of_git(recipe, recipe.source, version))}


def _of_sdists(farm: Coordinator, recipe: Recipe, source: SdistSource) -> Mapping[str, KnownSource | Reason]:
    pinned = {version: each for (_, version), each in farm.locks.pinned([recipe.name]).items()}
    exact = tuple(str(Version(text)) for text in recipe.exact)
    if exact and all(version in pinned and _admits(source, version, pinned[version]) for version in exact):
        return {version: pinned[version] for version in exact}
    farm.report(Progress(job=recipe.name, step="prepare", message="asking upstream for its releases"))
    offers = {str(Version(version)): offer for version, offer in farm.sources.releases(recipe.name).items()}
    if not offers:
        raise Unavailable(unknown_project(recipe.name))
    return {
        version: _of_offer(farm, recipe, version, offers, pinned.get(version), source)
        for version in exact or _choose(recipe, offers, _pythons(farm))
    }


def _of_offer(
    farm: Coordinator,
    recipe: Recipe,
    version: str,
    offers: Mapping[str, Offer],
    pinned: KnownSource | None,
    source: SdistSource,
) -> KnownSource | Reason:
    offer = offers.get(version)
    if pinned is not None and _admits(source, version, pinned):
        return _changed(recipe, version, offer, pinned) if version not in source.hashes else pinned
    if offer is None:
        return unknown_version(recipe.name, version, offers)
    written = source.hashes.get(version, "").removeprefix("sha256:")
    key = f'source.sdist."{version}"' if written else ""
    try:
        known = _fetch(farm, recipe.name, replace(offer, sha256=written or offer.sha256), key)
    except Unavailable as unavailable:
        return unavailable.reason
    # The hash in a recipe is reviewed, so it counts more than a pin; that stays, for recipes that say nothing.
    return known if pinned is not None else farm.locks.pin(recipe.name, version, known)


def _admits(source: SdistSource, version: str, known: KnownSource) -> bool:
    """Whether the recipe names no hash for the version, or this one."""
    return source.hashes.get(version, "").removeprefix("sha256:") in ("", known.pin.artifact.sha256)


def _changed(recipe: Recipe, version: str, offer: Offer | None, pinned: KnownSource) -> KnownSource | Reason:
    """The pin, unless upstream offers other bytes now and the recipe does not say which."""
    first = pinned.pin.artifact
    if offer is None or offer.filename != first.name or offer.sha256 in ("", first.sha256):
        return pinned
    return changed(recipe.name, version, offer, first.sha256)


def _fetch(farm: Coordinator, name: str, offer: Offer, key: str = "") -> KnownSource:
    """The file, whose hash stands in the recipe under ``key`` (empty: it is the index's, where there is one)."""
    farm.report(Progress(job=name, step="prepare", message=f"fetching {_shown(offer)}"))
    try:
        artifact = farm.sources.fetch(offer.origin, offer.filename, offer.sha256)
    except Unavailable as unavailable:
        if unavailable.reason.code != "hash":
            raise
        raise Unavailable(other_bytes(unavailable.reason, key)) from unavailable
    known = farm.sources.look(artifact)
    return replace(known, pin=replace(known.pin, origin=offer.origin))


def _pythons(farm: Coordinator) -> tuple[str, ...]:
    """Versions of the interpreters that the farm offers, as ``Requires-Python`` is held against them."""
    return tuple("{}.{}.99".format(*each.target.python) for each in farm.environments())


def _serves(offer: Offer, pythons: Iterable[str]) -> bool:
    try:
        admitted = SpecifierSet(offer.requires_python)
    except InvalidSpecifier:  # installers ignore it too
        return True
    return any(admitted.contains(python) for python in pythons)


def _choose(recipe: Recipe, offers: Mapping[str, Offer], pythons: Sequence[str]) -> tuple[str, ...]:
    """The versions that a tracking or a specifier stands for, newest last, without yanked ones (PEP 592)."""
    keep = recipe.versions.keep if isinstance(recipe.versions, Track) else 1
    wanted = SpecifierSet("" if isinstance(recipe.versions, Track) else ",".join(recipe.versions))
    standing = sorted(Version(version) for version, offer in offers.items() if not offer.yanked)
    fits = sorted(wanted.filter(standing))
    # As pip would: the newest that some interpreter here can use, where there is one.
    fits = [version for version in fits if _serves(offers[str(version)], pythons)] or fits
    if not fits:
        raise Unavailable(unknown_version(recipe.name, str(wanted), offers))
    return tuple(str(version) for version in fits[-keep:])


def _single(recipe: Recipe) -> str:
    if len(recipe.exact) != 1:
        raise RecipeError(
            f"{recipe.name}: the version of its source cannot be told without running its code. "
            f"Name exactly that one in a recipe, under versions."
        )
    return str(Version(recipe.exact[0]))


def _of_url(source: UrlSource) -> Offer:
    """The file at a URL, named by the last part of its path, or else by the URL's fragment."""
    parts = urlsplit(source.url)
    names = (basename(unquote(parts.path)), basename(unquote(parts.fragment)))
    name = next((name for name in names if name.endswith(ARCHIVES)), "")
    if not name:
        raise RecipeError(
            f"{redacted(source.url)} does not end with the name of an archive ({' '.join(ARCHIVES)}). "
            f"If it leads to one, append the name: {redacted(urldefrag(source.url).url)}#NAME-1.0.tar.gz"
        )
    return Offer(filename=name, origin=source.url)


def _shown(offer: Offer) -> str:
    """What is fetched, for people: without user and password."""
    if not offer.origin.startswith(GIT):
        return offer.filename
    url, _, commit = offer.origin.removeprefix(GIT).rpartition("@")
    return f"{commit} of {redacted(url)}"


def _of_git(recipe: Recipe, source: GitSource, version: str) -> Offer:
    return Offer(
        filename=f"{recipe.name.replace('-', '_')}-{version}.tar.gz", origin=f"{GIT}{source.git}@{source.commit}"
    )
