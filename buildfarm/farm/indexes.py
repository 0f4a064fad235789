"""Indexes are made, changed and deleted: events too, and what they change is on the pages when this returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import index_of, project_of
from buildfarm.farm.render import catch_up
from buildfarm.model.errors import Refused
from buildfarm.model.events import IndexConfigured, IndexDeleted
from buildfarm.model.index import Index, awaited, pending_of, refused
from buildfarm.pages.project import File


def create(farm: Coordinator, index: Index, *, who: str = "") -> None:
    """Make an index; raises ``Refused`` with every reason why it cannot be like that, or where the name is taken."""
    indexes = farm.events.indexes()
    if index.name in indexes:
        raise Refused(f"there is an index {index.name} already; `buildfarm index set` changes it")
    _configure(farm, index, indexes, who)


def change(farm: Coordinator, index: Index, *, who: str = "") -> None:
    """Let an index be like that from now on; raises ``Refused`` as ``create`` does, 404 where there is none."""
    index_of(farm, index.name)
    _configure(farm, index, farm.events.indexes(), who)


def delete_index(farm: Coordinator, name: str, *, who: str = "") -> None:
    """Delete an index that has no files and no heirs; raises ``Refused`` with those that it has."""
    index_of(farm, name)
    heirs = _heirs(name, farm.events.indexes())
    wrong = [f"{name} has heirs: {', '.join(heirs)}"] if heirs else []
    wrong += [
        f"{each} has files of {len(names)} projects" for each in _both(farm, name) if (names := _names(farm, each))
    ]
    if wrong:
        raise Refused("\n".join([*wrong, "--force deletes the files, and takes it out of the bases of its heirs"]))
    _delete(farm, name, who)


def force_delete_index(farm: Coordinator, name: str, *, who: str = "") -> tuple[File, ...]:
    """Delete an index with its files, which it answers; its heirs no longer inherit from it."""
    index_of(farm, name)
    indexes = farm.events.indexes()
    for heir in _heirs(name, indexes):
        bases = tuple(base for base in indexes[heir].bases if base != name)
        farm.events.append(heir, IndexConfigured(index=replace(indexes[heir], bases=bases)), who)
    files = tuple(
        file
        for each in _both(farm, name)
        for project in sorted(_names(farm, each))
        for file in project_of(farm, each, project).files
    )
    _delete(farm, name, who)
    return files


def _configure(farm: Coordinator, index: Index, indexes: Mapping[str, Index], who: str) -> None:
    if wrong := tuple(refused(index, indexes)):
        raise Refused("\n".join(wrong))
    farm.events.append(index.name, IndexConfigured(index=index), who)
    catch_up(farm)


def _delete(farm: Coordinator, name: str, who: str) -> None:
    farm.events.append(name, IndexDeleted(), who)
    catch_up(farm)


def _both(farm: Coordinator, name: str) -> tuple[str, ...]:
    """The index, and the one where files wait for it, if there is one."""
    return tuple(each for each in (name, pending_of(name)) if each in farm.events.indexes())


def _names(farm: Coordinator, name: str) -> frozenset[str]:
    return farm.events.projects(name)


def _heirs(name: str, indexes: Mapping[str, Index]) -> tuple[str, ...]:
    return tuple(sorted(each for each, index in indexes.items() if name in index.bases and awaited(each) != name))
