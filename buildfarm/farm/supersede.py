"""The newest wish wins: what installers would prefer to the files that were wished is yanked (PEP 592)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from packaging.utils import canonicalize_name, parse_wheel_filename

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.judge import Judgement
from buildfarm.model.events import FileYanked
from buildfarm.model.job import BuildRequest
from buildfarm.model.target import Target
from buildfarm.pages.project import fold

SUPERSEDED = "superseded by "
"""How the reason of such a yank begins; a yank with another reason is a person's, and stays."""


def supersede(farm: Coordinator, request: BuildRequest, judgements: Iterable[Judgement]) -> tuple[FileYanked, ...]:
    """Yank the files that installers would prefer to the good wheels of the request, and take back such yanks of those.

    Only a file of the same project and version that serves one of their targets, and no file that the request wishes
    itself. Answers the events that are new: repeated, it appends nothing.
    """
    good = tuple(each for each in judgements if each.good)
    wished = frozenset(each.served_by for each in good)
    new = (event for each in good for event in _events(farm, request, each, wished))
    return tuple(event for event in new if farm.events.append(request.index, event, request.owner))


def _events(
    farm: Coordinator, request: BuildRequest, judgement: Judgement, wished: frozenset[str]
) -> Iterator[FileYanked]:
    project = canonicalize_name(judgement.goals[0].project)
    found = fold(farm.events.events(request.index, project)).get(project)
    files = {each.published.artifact.name: each for each in found.files} if found else {}
    name = judgement.served_by
    yanked = files[name].yanked if name in files else ""
    if yanked is not None and not yanked.startswith(SUPERSEDED):
        return
    if yanked:
        yield FileYanked(project=project, filename=name, reason=None)
    for other in sorted(file for file in files.keys() - wished if file.endswith(".whl")):
        if files[other].yanked is None and any(_preferred(goal.target, other, name) for goal in judgement.goals):
            reason = f"{SUPERSEDED}{name}, which request {request.id} wished"
            yield FileYanked(project=project, filename=other, reason=reason)


def _preferred(target: Target, other: str, wished: str) -> bool:
    """Whether an installer on the target takes the other wheel of the same version: by its tag, then its build tag."""
    _, version, build, tags = parse_wheel_filename(other)
    _, wished_version, wished_build, wished_tags = parse_wheel_filename(wished)
    place, wished_place = target.place(tags), target.place(wished_tags)
    if version != wished_version or place is None or wished_place is None:
        return False
    return (-place, build) > (-wished_place, wished_build)
