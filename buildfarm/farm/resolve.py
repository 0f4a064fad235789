"""Pin what the recipes of a request stand for: exact versions and the bytes of their sources."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from posixpath import basename
from urllib.parse import unquote, urldefrag, urlsplit

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.patches import after_patches, keep_patches
from buildfarm.model.errors import RecipeError, Unavailable
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import BuildRequest
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import GitSource, PathSource, Recipe, SdistSource, Track, UrlSource
from buildfarm.ports import Offer, Progress, Resolution
from buildfarm.steps.archive import SUFFIXES

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
            return {_single(recipe): _fetch(farm, recipe.name, _of_url(recipe.source), recipe.source.sha256)}
        case GitSource():
            version = _single(recipe)
            return {version: _fetch(farm, recipe.name, _of_git(recipe, recipe.source, version), "")}


def _of_sdists(farm: Coordinator, recipe: Recipe, source: SdistSource) -> Mapping[str, KnownSource | Reason]:
    pinned = {version: each for (_, version), each in farm.locks.pinned([recipe.name]).items()}
    exact = _exact(recipe)
    if exact and all(version in pinned and _admits(source, version, pinned[version]) for version in exact):
        return {version: pinned[version] for version in exact}
    farm.report(Progress(job=recipe.name, step="prepare", message="asking upstream for its releases"))
    offers = {str(Version(version)): offer for version, offer in farm.sources.releases(recipe.name).items()}
    if not offers:
        raise Unavailable(
            Reason(
                code="unknown-project",
                message=f"upstream has no sdist of {recipe.name}.",
                advice="Is the name right? A project that publishes wheels only cannot be built from its index.",
            )
        )
    return {
        version: _of_offer(farm, recipe, version, offers.get(version), pinned.get(version), source)
        for version in exact or _choose(recipe, offers, _pythons(farm))
    }


def _of_offer(
    farm: Coordinator,
    recipe: Recipe,
    version: str,
    offer: Offer | None,
    pinned: KnownSource | None,
    source: SdistSource,
) -> KnownSource | Reason:
    if pinned is not None and _admits(source, version, pinned):
        return _changed(recipe, version, offer, pinned) if version not in source.hashes else pinned
    if offer is None:
        return Reason(
            code="unknown-version",
            message=f"upstream has no sdist of {recipe.name} {version}.",
            advice="Name a version that has one.",
        )
    try:
        known = _fetch(farm, recipe.name, offer, source.hashes.get(version, ""))
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
    return Reason(
        code="hash",
        message=(
            f"{offer.filename} changed upstream: it was sha256:{first.sha256} when it was first pinned, "
            f"now it is sha256:{offer.sha256}."
        ),
        advice=(
            f"A release's file never changes honestly: find out why. Then name the one to build in the recipe of "
            f'{recipe.name}: `source: {{sdist: {{"{version}": "sha256:…"}}}}`.'
        ),
    )


def _fetch(farm: Coordinator, name: str, offer: Offer, hash_: str) -> KnownSource:
    wanted = hash_.removeprefix("sha256:") or offer.sha256
    farm.report(Progress(job=name, step="prepare", message=f"fetching {offer.filename}"))
    artifact = farm.sources.fetch(offer.origin, offer.filename, wanted)
    known = farm.sources.look(artifact)
    return replace(known, pin=replace(known.pin, origin=offer.origin))


def _pythons(farm: Coordinator) -> tuple[str, ...]:
    """Versions of the interpreters that the farm offers, as ``Requires-Python`` is held against them."""
    return tuple("{}.{}.99".format(*each.target.python) for each in farm.environments)


def _exact(recipe: Recipe) -> tuple[str, ...]:
    if isinstance(recipe.versions, Track):
        return ()
    try:
        return tuple(str(Version(text)) for text in recipe.versions)
    except InvalidVersion:  # a specifier set, as a requirement has it
        return ()


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
        raise Unavailable(
            Reason(
                code="unknown-version",
                message=f"upstream has no sdist of {recipe.name} that is {wanted or 'not yanked'}.",
                advice=f"It has {', '.join(map(str, standing[-5:])) or 'only yanked ones'}.",
            )
        )
    return tuple(str(version) for version in fits[-keep:])


def _single(recipe: Recipe) -> str:
    exact = _exact(recipe)
    if len(exact) != 1:
        raise RecipeError(
            f"{recipe.name}: the version of its source cannot be told without running its code. "
            f"Name exactly that one in a recipe, under versions."
        )
    return exact[0]


def _of_url(source: UrlSource) -> Offer:
    """The file at a URL, named by the last part of its path, or else by the URL's fragment."""
    parts = urlsplit(source.url)
    names = (basename(unquote(parts.path)), basename(unquote(parts.fragment)))
    name = next((name for name in names if name.endswith(SUFFIXES)), "")
    if not name:
        raise RecipeError(
            f"{source.url} does not end with the name of an archive ({' '.join(SUFFIXES)}). "
            f"If it leads to one, append the name: {urldefrag(source.url).url}#NAME-1.0.tar.gz"
        )
    return Offer(filename=name, origin=source.url)


def _of_git(recipe: Recipe, source: GitSource, version: str) -> Offer:
    return Offer(
        filename=f"{recipe.name.replace('-', '_')}-{version}.tar.gz", origin=f"git+{source.git}@{source.commit}"
    )
