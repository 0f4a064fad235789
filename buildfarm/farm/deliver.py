"""Releases of an index go elsewhere: to another index, or into a folder; the same bytes, or none."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby

from buildfarm.farm.bring import Carried, Fate
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of
from buildfarm.farm.publish import place_of
from buildfarm.model.distribution import Named, Outgoing
from buildfarm.model.errors import Refused
from buildfarm.model.index import closure
from buildfarm.pages.project import File, Project, held, merged
from buildfarm.ports import Outlet, Progress


def shown(farm: Coordinator, index: str, project: str) -> Project:
    """What the index shows of a project (normalised name), with its bases; raises ``Refused`` (404) for no index."""
    index_of(farm, index)
    own = held(farm.events.of_project(project))
    layers = closure(index, farm.events.indexes())
    return merged(project, ((each, own.get(each.name, {}).get(project)) for each in layers))


def chosen(farm: Coordinator, index: str, releases: Iterable[Named]) -> tuple[File, ...]:
    """The files of the releases that the index shows, sorted by release.

    Raises ``Refused`` with a sentence for every release that it does not show, and every file of one that is yanked.
    """
    found: list[File] = []
    wrong: list[str] = []
    for name in sorted(set(releases), key=str):
        project = shown(farm, index, name.project)
        files = [each for each in project.files if each.version == name.version]
        if not files:
            wrong.append(
                f"{index} shows no {name}; of {name.project} it shows {', '.join(project.versions) or 'nothing'}"
            )
        yanked = (each for each in files if each.yanked is not None)
        wrong += [f"{each.name} is yanked ({each.yanked or 'without a reason'}): it goes nowhere" for each in yanked]
        found += files
    if wrong:
        raise Refused("\n".join(wrong), 404)
    return tuple(found)


def deliver(farm: Coordinator, files: Iterable[File], outlet: Outlet) -> Iterator[Carried]:
    """Publish the files (sorted by project) at the outlet, unless it has those bytes; it ends where nothing is allowed.

    What it has under a name with other bytes is a conflict, and is not sent. May be repeated.
    """
    for project, group in groupby(files, key=lambda file: file.published.project):
        has = outlet.has(project)
        for file in group:
            artifact = file.published.artifact
            before = has.get(artifact.name, "")
            if before == artifact.sha256:
                carried = _carried(file, Fate.THERE)
            elif before:
                carried = _carried(file, Fate.CONFLICT, f"there it is sha256:{before}, here sha256:{artifact.sha256}")
            else:
                carried, allowed = _sent(farm, file, outlet)
                if not allowed:
                    yield carried
                    return
            farm.report(Progress(job=artifact.name, step="publish", message=str(carried.fate)))
            yield carried


def _sent(farm: Coordinator, file: File, outlet: Outlet) -> tuple[Carried, bool]:
    """What became of it, and whether there is a point in sending another."""
    published = file.published
    outgoing = Outgoing(
        project=published.project,
        version=published.version,
        artifact=published.artifact,
        metadata=farm.tree.read(f"{place_of(file.index, published.artifact)}.metadata") or b"",
    )
    try:
        with farm.store.open(published.artifact.sha256) as content:
            outlet.put(outgoing, content)
    except Refused as refused:
        fate = Fate.CONFLICT if refused.status == 409 else Fate.REFUSED
        return _carried(file, fate, str(refused)), refused.status not in (401, 403)
    return _carried(file, Fate.NEW), True


def _carried(file: File, fate: Fate, note: str = "") -> Carried:
    name = Named(project=file.published.project, version=file.version)
    return Carried(name=name, filename=file.name, fate=fate, note=note)
