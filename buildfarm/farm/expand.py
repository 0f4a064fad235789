"""From open requests to rows: gather the facts, plan, insert what is absent, until nothing new is known."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import replace

from packaging.version import Version

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.packages import pin_packages
from buildfarm.farm.resolve import look_up, resolve, with_bytes
from buildfarm.model.facts import Facts, KnownSource, KnownWheel
from buildfarm.model.job import BuildRequest
from buildfarm.model.outcome import Reason
from buildfarm.model.plan import Plan
from buildfarm.model.records import Publication, Resolution
from buildfarm.plan.expand import expand as expand_plan


def expand(farm: Coordinator, request: BuildRequest) -> Plan:
    """The request's plan, with all of its jobs in the ledger."""
    resolution = resolve(farm, request)
    while True:
        attached = _attached(farm, request)
        plan = expand_plan(request, gather(farm, request, resolution, attached))
        new = [job for job in plan.jobs if job.key not in attached]
        if not new or not farm.jobs.insert(request, new):
            return plan


def preview(farm: Coordinator, request: BuildRequest) -> Plan:
    """The plan of a request that nobody submitted: nothing is inserted, and what was built before is planned anew."""
    request = replace(request, recipes=tuple(with_bytes(farm, each) for each in request.recipes))
    return expand_plan(request, gather(farm, request, look_up(farm, request), _attached(farm, request)))


def gather(farm: Coordinator, request: BuildRequest, resolution: Resolution, attached: Collection[str]) -> Facts:
    """Everything that planning this request may ask of the world; ``attached`` are the keys of its jobs."""
    names = [recipe.name for recipe in request.recipes]
    versions = {
        name: those if isinstance(those, Reason) else tuple(sorted(those, key=Version))
        for name, those in resolution.items()
    }
    return Facts(
        environments=farm.environments(),
        tools=farm.tools,
        versions=versions,
        sources={**farm.locks.pinned([each.recipe.name for each in request.uploads]), **_sources(resolution)},
        wheels=farm.learning.wheels(attached),
        failed=farm.learning.failed(request.id),
        published=_published(farm.events.publications(request.index, frozenset({"published"}), names)),
        last=farm.learning.last(names),
        packages=pin_packages(farm, request, versions),
        floors=farm.floors,
        servers=farm.servers(),
    )


def _attached(farm: Coordinator, request: BuildRequest) -> frozenset[str]:
    return frozenset(row.job.key for row in farm.jobs.rows(request.id))


def _sources(resolution: Resolution) -> dict[tuple[str, str], KnownSource | Reason]:
    return {
        (name, version): source
        for name, versions in resolution.items()
        if not isinstance(versions, Reason)
        for version, source in versions.items()
    }


def _published(publications: Iterable[Publication]) -> dict[tuple[str, str], tuple[KnownWheel, ...]]:
    found: dict[tuple[str, str], list[KnownWheel]] = {}
    for each in publications:
        if not each.artifact.name.endswith(".whl"):
            continue
        wheel = KnownWheel(artifact=each.artifact, content=each.content, extensions=0)
        found.setdefault((each.project, each.version), []).append(wheel)
    return {pair: tuple(wheels) for pair, wheels in found.items()}
