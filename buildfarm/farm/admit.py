"""Admission: what may come in from outside, looked up, held against the rules of names, and brought onto a mirror."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase

from packaging.version import Version

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of, project_of
from buildfarm.farm.names import lasting, owners, reserving
from buildfarm.model.admission import Files
from buildfarm.model.distribution import Named, named
from buildfarm.model.errors import Refused, Unavailable
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.job import Environment
from buildfarm.model.origin import Offer
from buildfarm.ports import Shelf

_NEAREST = 8  # versions that a message names


@dataclass(frozen=True, slots=True, kw_only=True)
class Upstream:
    """A release as upstream has it."""

    name: Named
    offers: tuple[Offer, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What releases depend on and the mirror lacks, and why that is not known for some environment."""

    releases: tuple[Named, ...] = ()
    unknown: tuple[str, ...] = ()


def mirror_of(farm: Coordinator, name: str) -> Index:
    """The settings of a mirror; raises ``Refused`` where there is none of that name, or it is no mirror."""
    index = index_of(farm, name)
    if index.kind is not IndexClass.MIRROR:
        raise Refused(
            f"{name} is an internal index, and what comes from outside stands apart from what is ours: "
            f"`buildfarm index create company/mirror --class mirror`, then let {name} inherit from that"
        )
    return index


def look_up(shelf: Shelf, wanted: Iterable[Named], globs: tuple[str, ...] = ()) -> tuple[Upstream, ...]:
    """The releases with their distributions whose file names match one of the globs (none: all).

    Raises ``Refused`` with a sentence for every release that is not to be had.
    """
    found, wrong = [], []
    for name in wanted:
        try:
            offers = [(own, each) for each in shelf.offers(name.project) if (own := named(each.filename))]
        except Unavailable as unavailable:
            wrong.append(str(unavailable))
            continue
        whole = tuple(each for own, each in offers if own.same(name))
        fitting = tuple(each for each in whole if not globs or any(fnmatchcase(each.filename, glob) for glob in globs))
        if fitting:
            found.append(Upstream(name=name, offers=fitting))
        elif whole:
            wrong.append(f"{name}: none of its files is {' or '.join(globs)}: {', '.join(it.filename for it in whole)}")
        else:
            newest = sorted({own.version for own, _ in offers if own.project == name.project}, key=Version)[-_NEAREST:]
            wrong.append(f"there is no {name}; of {name.project} there is {', '.join(newest) or 'nothing'}")
    if wrong:
        raise Refused("\n".join(wrong), 404)
    return tuple(found)


def approved(releases: Iterable[Upstream], wanted: Mapping[Named, Files]) -> tuple[Upstream, ...]:
    """The approved files of the releases, to be held against the approved hashes.

    Raises ``Refused`` with every file that is not to be had, or that upstream now has with other bytes.
    """
    found, wrong = [], []
    for release in releases:
        offers = {offer.filename: offer for offer in release.offers}
        files = wanted[release.name]
        for name in sorted(files):
            if name not in offers:
                wrong.append(f"{release.name}: {name} is approved, and is not to be had")
            elif offers[name].sha256 not in ("", files[name]):
                wrong.append(f"{name}: approved is sha256:{files[name]}, upstream has sha256:{offers[name].sha256}")
        kept = (replace(offers[name], sha256=files[name]) for name in sorted(files) if name in offers)
        found.append(replace(release, offers=tuple(kept)))
    if wrong:
        raise Refused("\n".join([*wrong, "nothing was let in: find out why, before you accept other bytes"]))
    return tuple(found)


def forbidden(farm: Coordinator, names: Iterable[Named]) -> Iterator[str]:
    """Why releases may not come in, a sentence each: a name is reserved, by any index, or a lasting index's own."""
    for name in names:
        for index, glob in reserving(farm.events, name.project):
            yield f"{name}: {index} reserves {glob!r}: such names are ours, and never come from outside"
        for owner in lasting(farm.events, name.project):
            yield (
                f"{name}: the name is {owner}'s own, so no index that inherits from both would show what comes from "
                "outside; build the version there, give yours another name, or let it go: "
                f"`buildfarm disown {name.project} --index {owner}`"
            )


def hidden(farm: Coordinator, names: Iterable[Named]) -> Iterator[str]:
    """Where releases that may come in will not be seen, a sentence each: names may be a volatile index's own too."""
    for project in dict.fromkeys(name.project for name in names):
        for owner in owners(farm.events, project):
            if owner.volatile:
                yield f"{project} is {owner.name}'s own name too: it and its heirs show nothing of it from a mirror"


def needed(farm: Coordinator, index: str, wanted: tuple[Named, ...], environments: Iterable[Environment]) -> Needed:
    """What the releases depend on in those environments, and neither the mirror nor an internal index has.

    Versions are what the mirror has, where that will do, else the newest of upstream. Wheels only: what has none is
    not looked into.
    """
    found: dict[Named, None] = {}
    unknown: list[str] = []
    for environment in environments:
        for name in wanted:
            try:
                found |= dict.fromkeys(_locked(farm, name, environment, index))
            except Unavailable as unavailable:
                unknown.append(f"{name} for {environment.target}: {unavailable}")
    lacking = (each for each in found if not any(each.same(name) for name in wanted))
    return Needed(
        releases=tuple(each for each in sorted(lacking, key=str) if not is_there(farm, index, each)),
        unknown=tuple(dict.fromkeys(unknown)),
    )


def _locked(farm: Coordinator, name: Named, environment: Environment, index: str) -> tuple[Named, ...]:
    try:
        lock = farm.resolver.lock([str(name)], environment, index)
    except Unavailable:  # what the mirror has of some project is too old: ask upstream alone
        lock = farm.resolver.lock([str(name)], environment, "")
    return tuple(Named(project=each.project, version=each.version) for each in lock.wheels)


def is_there(farm: Coordinator, index: str, name: Named) -> bool:
    """Whether the mirror has the release, or an internal index the project."""
    has = project_of(farm, index, name.project).files
    versions = (Named(project=name.project, version=each.version) for each in has)
    return any(each.same(name) for each in versions) or bool(lasting(farm.events, name.project))
