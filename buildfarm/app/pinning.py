"""Hashes of sources brought into recipe files: what upstream has, or a refusal where the file says otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from packaging.version import Version

from buildfarm.app.rewriting import Rewrite, text_of
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.resolve import look_up
from buildfarm.model.errors import RecipeError
from buildfarm.model.job import BuildRequest
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Recipe, SdistSource, Track, UrlSource
from buildfarm.model.records import Resolution
from buildfarm.recipe.edits import UNKNOWN, with_sdist_hashes, with_url_hash
from buildfarm.recipe.parse import parse_recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Pinned:
    """One file: its rewrite, the hashes that are new by version, and why there is none where none can be."""

    rewrite: Rewrite
    hashes: dict[str, str]
    note: str = ""


def with_placeholder(path: Path) -> Recipe | None:
    """The recipe of a file that lacks nothing but the hash of its URL; None for any other file."""
    filled = with_url_hash(text_of(path))
    recipe = parse_recipe(filled, file=str(path), folder=str(path.parent.absolute())).recipe
    if recipe is None or not isinstance(recipe.source, UrlSource) or recipe.source.sha256 != UNKNOWN:
        return None
    return replace(recipe, source=replace(recipe.source, sha256=""))


def pin(farm: Coordinator, recipes: Iterable[tuple[Path, Recipe]]) -> tuple[Pinned, ...]:
    """Look up what every recipe stands for, and write the hashes into its text; no file is written here.

    Raises ``RecipeError`` with all that upstream lacks, and every hash in a file that is not upstream's.
    """
    found = list(recipes)
    for name, count in Counter(recipe.name for _, recipe in found).items():
        if count > 1:
            raise RecipeError(f"{count} of the files are recipes for {name}; pin one of them at a time")
    wanted = [replace(recipe, patches=()) for _, recipe in found if isinstance(recipe.source, SdistSource | UrlSource)]
    known: Resolution = {}
    troubles: list[str] = []
    pinned: list[Pinned] = []
    if wanted:
        known = look_up(farm, BuildRequest(recipes=tuple(wanted), index="main"))
    for path, recipe in found:
        versions = known.get(recipe.name, {})
        hashes: dict[str, str] = {}
        for version, source in {"": versions}.items() if isinstance(versions, Reason) else versions.items():
            if isinstance(source, Reason):
                troubles.append(f"{_place(path, version, source)}: {source.sentence}")
            else:
                hashes[version] = f"sha256:{source.pin.artifact.sha256}"
        pinned.append(_pinned(path, recipe, hashes))
    if troubles:
        raise RecipeError("\n".join([*troubles, "nothing was written"]))
    return tuple(pinned)


def _place(path: Path, version: str, reason: Reason) -> str:
    """The file, and where in it the hash stands that is not upstream's."""
    spans = parse_recipe(text_of(path), file=str(path), folder=str(path.parent.absolute())).spans
    span = spans.get(f"source.sdist.{version}", spans.get("source.sha256")) if reason.code == "hash" else None
    return f"{path}:{span.line}:{span.column}" if span else str(path)


def _note(recipe: Recipe, versions: Iterable[str]) -> str:
    """Why a recipe has no hash to pin, or empty; ``versions`` are those that it stands for now."""
    if not isinstance(recipe.source, SdistSource | UrlSource):
        return "only sdists and URLs have a hash to pin"
    if not isinstance(recipe.versions, Track):
        return ""
    newest = max(versions, key=Version, default="")
    return (
        "it follows the newest releases, and the ledger pins each when it is first seen; to pin one here, write "
        f'versions: ["{newest}"], and pin again'
    )


def _pinned(path: Path, recipe: Recipe, hashes: dict[str, str]) -> Pinned:
    text = text_of(path)
    new: dict[str, str] = {}
    after = text
    if isinstance(recipe.source, UrlSource) and not recipe.source.sha256:
        new = hashes
        after = with_url_hash(text, *hashes.values())
    elif isinstance(recipe.source, SdistSource) and not isinstance(recipe.versions, Track):
        written = {Version(version) for version in recipe.source.hashes}
        new = {version: hash_ for version, hash_ in hashes.items() if Version(version) not in written}
        after = with_sdist_hashes(text, new)
    return Pinned(rewrite=Rewrite(path=path, before=text, after=after), hashes=new, note=_note(recipe, hashes))
