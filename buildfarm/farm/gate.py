"""Uploads wait until they are tested: who asks for that, what lets them through, and why they wait still."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from packaging.specifiers import SpecifierSet

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.filename import version_of
from buildfarm.farm.files import file_of, project_of
from buildfarm.farm.judge import Judgement, judged
from buildfarm.farm.publish import release
from buildfarm.farm.render import render
from buildfarm.model.distribution import WHEEL
from buildfarm.model.errors import Refused
from buildfarm.model.events import FileDeleted, Origin, Tried, unaccepted
from buildfarm.model.index import awaited, pending_of, settings
from buildfarm.model.job import BuildRequest, Upload
from buildfarm.model.plan import Plan
from buildfarm.model.recipe import Recipe, Track
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.wheel import Verdict

_PUBLISHED = frozenset({"published"})


def waiting(farm: Coordinator, index: str, project: str | None = None) -> tuple[Publication, ...]:
    """The files on an index's ``+pending`` (of a project); the ``note`` of each says why it waits still, where its
    tests are over.
    """
    return farm.events.publications(pending_of(index), _PUBLISHED, None if project is None else {project})


def ask(farm: Coordinator) -> None:
    """Request the tests of every waiting file whose tests are not over; where that was done nothing changes."""
    for index in farm.events.indexes():
        if awaited(index):
            _request(farm, (each for each in waiting(farm, awaited(index)) if not each.note))


def ask_again(farm: Coordinator, files: Iterable[Publication]) -> None:
    """Request the tests of these waiting files, whatever came of the last ones."""
    for each in files:
        farm.events.remark(each, "")
        _request(farm, (each,))


def gate(farm: Coordinator, request: BuildRequest, plan: Plan) -> tuple[Judgement, ...]:
    """Judge the uploads of a request, and let through those that are good: published on the index with what was
    tried, then deleted where they waited. Each part may be repeated by anybody.
    """
    if not request.uploads:
        return ()
    reports = farm.learning.reports([goal.test for goal in plan.goals if goal.test])
    failed, index = farm.learning.failed(request.id), settings(request.index, farm.events.indexes())
    found = []
    for upload in request.uploads:
        goals = tuple(goal for goal in plan.goals if goal.wheel == upload.artifact and not goal.build)
        untested = _by_its_wheels(farm, request, upload) or tuple(
            Tried(target=out.target, verdict=Verdict.NOT_RUN, reason=out.reason)
            for out in plan.left_out
            if (out.project, out.version) == (upload.recipe.name, upload.version)
        )
        judgement = judged(upload.artifact, goals, reports, failed, index)
        tried = (*judgement.tried, *untested)
        if judgement.good:
            judgement = replace(judgement, tried=tried, withheld=unaccepted(index, tried))
        found.append(_let_through(farm, request, upload, judgement) if judgement.good else judgement)
    return tuple(found)


def hold(farm: Coordinator, request: BuildRequest, judgements: Iterable[Judgement]) -> None:
    """Say of the uploads that were not let through why they wait still: nothing more happens to them by itself."""
    for upload, judgement in zip(request.uploads, judgements, strict=True):
        for each in waiting(farm, request.index, upload.recipe.name):
            if each.artifact == upload.artifact and not judgement.good:
                farm.events.remark(each, judgement.withheld or f"its test for {judgement.waits} has not run")
                if _by_its_wheels(farm, request, upload) not in ((), judgement.tried):  # its wheel came meanwhile
                    farm.events.remark(each, "")


def _request(farm: Coordinator, files: Iterable[Publication]) -> None:
    for each in files:
        file = file_of(farm, each.index, each.project, each.artifact.name)
        upload = Upload(
            recipe=_recipe(farm, each.project, each.version),
            version=each.version,
            artifact=each.artifact,
            content=each.content,
            requires_python=file.published.requires_python if file else "",
        )
        owner = each.arrival.who or "local"
        farm.requests.submit(BuildRequest(recipes=(), index=awaited(each.index), owner=owner, uploads=(upload,)))


def _recipe(farm: Coordinator, project: str, version: str) -> Recipe:
    """The site's own recipe, where it is for that version: it says how the project is tested."""
    found = farm.recipe(project)
    if found is None or not _is_for(found, version):
        return Recipe(name=project)
    return replace(found, patches=())  # what was uploaded was not built of the patched source


def _is_for(recipe: Recipe, version: str) -> bool:
    if recipe.exact:
        return version_of(version) in map(version_of, recipe.exact)
    wanted = "" if isinstance(recipe.versions, Track) else ",".join(recipe.versions)
    return SpecifierSet(wanted).contains(version, prereleases=True)


def _by_its_wheels(farm: Coordinator, request: BuildRequest, upload: Upload) -> tuple[Tried, ...]:
    """What counts for an sdist, which has no tests: that a wheel of its version is on the index. Empty for others."""
    if upload.artifact.name.endswith(WHEEL):
        return ()
    files = project_of(farm, request.index, upload.recipe.name).files
    same = (each.name for each in files if version_of(each.version) == version_of(upload.version))
    wheel = next((name for name in same if name.endswith(WHEEL)), "")
    return (Tried(target="*", verdict=Verdict.SKIPPED, reason=f"it is an sdist; {wheel} counts"),) if wheel else ()


def _let_through(farm: Coordinator, request: BuildRequest, upload: Upload, judgement: Judgement) -> Judgement:
    """Nothing is done for a file that waits no more: it was let through before, deleted, or replaced."""
    pending, project, name = pending_of(request.index), upload.recipe.name, upload.artifact.name
    waits = file_of(farm, pending, project, name)
    if waits is None or waits.published.artifact != upload.artifact:
        return judgement
    there = file_of(farm, request.index, project, name)
    others = there.published.artifact.sha256 if there and there.published.artifact != upload.artifact else ""
    volatile = settings(request.index, farm.events.indexes()).volatile
    arrival = Arrival(
        origin=Origin.UPLOADED,
        tried=judgement.tried,
        replaces=others if volatile else "",
        who=request.owner,
    )
    try:
        release(
            farm,
            Publication(
                index=request.index,
                project=project,
                version=upload.version,
                artifact=upload.artifact,
                content=upload.content,
                arrival=arrival,
            ),
        )
    except Refused as refused:
        return replace(judgement, withheld=str(refused))
    if name.endswith(WHEEL):
        sdists = (each for each in waiting(farm, request.index, project) if not each.artifact.name.endswith(WHEEL))
        ask_again(farm, (each for each in sdists if version_of(each.version) == version_of(upload.version)))
    reason, digest = f"it is on {request.index} now", upload.artifact.sha256  # other bytes that came since wait on
    gone = FileDeleted(project=project, filename=name, reason=reason, sha256=digest)
    farm.events.append(pending, gone, request.owner)
    render(farm)
    return judgement
