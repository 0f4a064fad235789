"""From one index to another: the same bytes, with the results of their tests."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.files import file_of, files_named, index_of, project_of, spelt_otherwise
from buildfarm.farm.publish import LIVE, release
from buildfarm.model.errors import Refused
from buildfarm.model.events import Origin, Status, Tried, unaccepted
from buildfarm.model.index import Index, IndexClass, awaited
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.wheel import Verdict
from buildfarm.pages.project import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """A file that is on the index ``target`` now; ``new``: it was not before."""

    file: File
    target: str
    new: bool


def promote(
    farm: Coordinator, operands: Iterable[str], *, source: str, target: str, who: str = ""
) -> tuple[Promoted, ...]:
    """Publish files that ``source`` has itself on ``target`` too: ``NAME==VERSION`` (all of the release) or file names.

    All or none: raises ``Refused`` with everything that speaks against any of them (404 for what is not there). The
    same again changes nothing, and finishes what was killed.
    """
    index_of(farm, source)
    onto = index_of(farm, target)
    files = files_named(farm, source, operands)
    wrong = [*_unfit(onto, source), *(each for file in files for each in _refusals(farm, file, onto))]
    if wrong:
        raise Refused("\n".join(dict.fromkeys(wrong)))
    return tuple(Promoted(file=file, target=target, new=_promote(farm, file, onto, who)) for file in files)


def _unfit(onto: Index, source: str) -> Iterator[str]:
    if onto.kind is IndexClass.MIRROR:
        yield f"{onto.name} is a mirror: nothing of our own is promoted to it"
    if awaited(onto.name):
        yield f"files wait on {onto.name} until they are tested: upload them to {awaited(onto.name)}"
    if onto.name == source:
        yield f"{source} has them already: name another index with --to"


def _refusals(farm: Coordinator, file: File, onto: Index) -> Iterator[str]:
    project = file.published.project
    if file.yanked is not None:
        yield f"{file.name} is yanked on {file.index}{_because(file.yanked)}"
    if (status := project_of(farm, file.index, project)).status is Status.QUARANTINED:
        yield f"{project} is quarantined on {file.index}{_because(status.reason)}"
    if unfit := unaccepted(onto, _tried(file)):
        yield f"{file.name}: {unfit}"
    there = file_of(farm, onto.name, project, file.name)
    if there and there.published.artifact != file.published.artifact and not onto.volatile:
        yield f"{file.name} already exists on {onto.name} with other bytes"
    if twin := spelt_otherwise(farm, onto.name, project, file.name):
        yield twin


def _because(reason: str) -> str:
    return f": {reason}" if reason else ""


def _tried(file: File) -> tuple[Tried, ...]:
    """What was built here was judged before it was published, also when events did not yet say how."""
    tried = file.published.tried
    if tried or file.published.origin is not Origin.BUILT:
        return tried
    return (Tried(target="*", verdict=Verdict.PASSED),)


def _promote(farm: Coordinator, file: File, onto: Index, who: str) -> bool:
    published, artifact = file.published, file.published.artifact
    live = farm.events.publications(file.index, LIVE, {published.project})
    before = next((each for each in live if each.artifact == artifact), None)
    there = file_of(farm, onto.name, published.project, file.name)
    same = there is not None and there.published.artifact == artifact
    publication = Publication(
        index=onto.name,
        project=published.project,
        version=published.version,
        artifact=artifact,
        content=before.content if before else "",
        build=before.build if before else "",
        arrival=Arrival(
            origin=Origin.PROMOTED,
            source=file.index,
            tried=_tried(file),
            replaces=there.published.artifact.sha256 if there and not same else "",
            who=who,
        ),
    )
    return release(farm, publication) and not same
