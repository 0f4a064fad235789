"""The files that an index has itself, and how a person names them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.filename import read_filename, version_of
from buildfarm.model.distribution import spelt_alike
from buildfarm.model.errors import Refused
from buildfarm.model.index import Index, IndexClass, awaited
from buildfarm.pages.project import File, Project, fold, held


def index_of(farm: Coordinator, name: str) -> Index:
    """The settings of an index that is there; raises ``Refused`` (404) for one that is not."""
    indexes = farm.events.indexes()
    if name not in indexes:
        known = ", ".join(sorted(each for each in indexes if not awaited(each))) or "none"
        raise Refused(f"there is no index {name!r}; those that are: {known}. `buildfarm index create` makes one", 404)
    return indexes[name]


def open_index(farm: Coordinator, name: str) -> Index:
    """The settings of an index to which anything can be uploaded; raises ``Refused`` as ``index_of``, and 403."""
    if awaited(name):
        raise Refused(f"files wait on {name} until they are tested: upload to {awaited(name)}", 403)
    index = index_of(farm, name)
    if index.kind is IndexClass.MIRROR:
        raise Refused(f"{name} is a mirror, which takes no uploads; `buildfarm admit` lets files in", 403)
    return index


def project_of(farm: Coordinator, index: str, project: str) -> Project:
    """What the index itself has of a project; one without files where it has none."""
    name = canonicalize_name(project)
    return fold(farm.events.events(index, name)).get(name, Project(name=name))


def file_of(farm: Coordinator, index: str, project: str, filename: str) -> File | None:
    """The index's own file of that name."""
    return next((each for each in project_of(farm, index, project).files if each.name == filename), None)


def spelt_otherwise(farm: Coordinator, index: str, project: str, filename: str) -> str:
    """Why a file called ``Foo-1.0.0`` cannot come onto an index that has ``foo-1.0``; empty where nothing is like that.

    What comes at the same moment is told by ``Events.publish``.
    """
    files = project_of(farm, index, project).files
    twins = (each.name for each in files if each.name != filename and spelt_alike(each.name, filename))
    if twin := next(twins, ""):
        return f"{filename} already exists on {index}, spelt {twin}: of two spellings installers would take either"
    return ""


def files_named(farm: Coordinator, index: str, operands: Iterable[str]) -> tuple[File, ...]:
    """The index's own files that are named: by file name, or all of a release as ``NAME==VERSION``; each once.

    Raises ``Refused`` with a sentence for every operand that is neither, or that the index does not have (404).
    """
    found: dict[str, File] = {}
    wrong: list[str] = []
    for operand in operands:
        try:
            found |= {each.name: each for each in _named(farm, index, operand)}
        except Refused as refused:
            wrong.append(str(refused))
    if wrong:
        raise Refused("\n".join(wrong), 404)
    return tuple(found.values())


def _named(farm: Coordinator, index: str, operand: str) -> Iterator[File]:
    name, equal, version = operand.partition("==")
    project = name.strip() if equal else read_filename(operand).project

    def meant(file: File) -> bool:
        return version_of(file.version) == version_of(version) if equal else file.name == operand

    files = project_of(farm, index, project).files
    wanted = [each for each in files if meant(each)]
    if not wanted:
        has = ", ".join(dict.fromkeys(each.version for each in files))
        of_it = f"; of {project} it has {has or 'nothing'}" if equal else ""
        others = ", ".join(_with(farm, project, meant))
        raise Refused(f"{index} has no {operand} of its own{of_it}{f'; {others} has' if others else ''}")
    yield from wanted


def _with(farm: Coordinator, project: str, meant: Callable[[File], bool]) -> Iterator[str]:
    """The indexes that have such a file themselves, by name."""
    name = canonicalize_name(project)
    for index, its in sorted(held(farm.events.of_project(name)).items()):
        if name in its and any(map(meant, its[name].files)):
            yield index
