"""Files that are elsewhere come onto an index, one by one, each whole or not at all."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from itertools import groupby

from packaging.utils import canonicalize_name

from buildfarm.farm.admit import forbidden
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.distribution import read_distribution
from buildfarm.farm.filename import read_filename
from buildfarm.farm.files import file_of, spelt_otherwise
from buildfarm.farm.publish import FILES, announce, show
from buildfarm.farm.render import catch_up
from buildfarm.model.distribution import WHEEL, Named, named
from buildfarm.model.errors import Refused, Unavailable
from buildfarm.model.events import FileYanked, Origin
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.origin import Offer
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.url import redacted
from buildfarm.model.wheel import Artifact, Finding, Severity
from buildfarm.pages.project import File
from buildfarm.ports import Progress
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.finding import error
from buildfarm.verify.rules import check
from buildfarm.verify.wheelfile import content_digest, read_wheel


class Fate(StrEnum):
    """What became of a file that was to come, or to go, somewhere."""

    NEW = "new"
    THERE = "there already"
    CONFLICT = "conflict"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Carried:
    """A file and what became of it. ``note`` says why, or what a person should know; ``warnings`` are of the rules."""

    name: Named
    filename: str
    fate: Fate
    note: str = ""
    warnings: tuple[str, ...] = ()

    @property
    def good(self) -> bool:
        """Whether the file is now where it was to come to."""
        return self.fate in (Fate.NEW, Fate.THERE)


_ORIGINS = {IndexClass.INTERNAL: Origin.UPLOADED, IndexClass.MIRROR: Origin.ADMITTED}
_STEPS = {IndexClass.INTERNAL: "import", IndexClass.MIRROR: "admit"}


def bring(farm: Coordinator, index: Index, offers: Iterable[Offer], who: str = "") -> Iterator[Carried]:
    """Bring each of the offered distributions onto the index; what is answered is on a page that is on disk.

    What an internal index gets is held to the rules of uploads, and is not tested: it was elsewhere before. What a
    mirror gets is other people's: there, what breaks a rule is a warning, and names of ours do not come. Nor do, to
    any, other bytes than those that are promised, or that the index has under the name. A yank comes along (PEP 592).
    The files of a project that stand together are shown together. May be repeated.
    """
    distributions = ((name, offer) for offer in offers if (name := named(offer.filename)))
    for _, group in groupby(distributions, key=lambda each: each[0].project):
        carried, publications = [], []
        for name, offer in group:
            with farm.rendering.lock(FILES, shared=True):
                became, publication = _bring(farm, index, offer, name, who)
            said = f"{became.fate}: {became.note}" if became.note else str(became.fate)
            farm.report(Progress(job=offer.filename, step=_STEPS[index.kind], message=said))
            carried.append(became)
            publications += [publication] if publication else []
        show(farm, publications)
        yield from carried
    catch_up(farm)


def foresee(farm: Coordinator, index: Index, offers: Iterable[Offer]) -> Iterator[Carried]:
    """What would become of each, as far as that can be said without its bytes."""
    for offer in offers:
        if name := named(offer.filename):
            if barred := _barred(farm, index, name, offer.filename):
                yield Carried(name=name, filename=offer.filename, fate=Fate.REFUSED, note=barred)
                continue
            there = file_of(farm, index.name, name.project, offer.filename)
            if there and offer.sha256:
                yield _met(there, offer, name, offer.sha256)
            else:
                note = "there is a file of that name: its bytes will tell" if there else ""
                yield Carried(name=name, filename=offer.filename, fate=Fate.NEW, note=note)


def _bring(farm: Coordinator, index: Index, offer: Offer, name: Named, who: str) -> tuple[Carried, Publication | None]:
    """What becomes of the file, and what of it is announced and not shown yet."""

    def became(fate: Fate, note: str, warnings: Iterable[Finding] = ()) -> Carried:
        return Carried(name=name, filename=offer.filename, fate=fate, note=note, warnings=tuple(map(_said, warnings)))

    if barred := _barred(farm, index, name, offer.filename):
        return became(Fate.REFUSED, barred), None
    there = file_of(farm, index.name, name.project, offer.filename)
    if there and offer.sha256:
        return _met(there, offer, name, offer.sha256), None
    try:
        artifact = farm.sources.fetch(offer.origin, offer.filename, offer.sha256)
        if there:
            return _met(there, offer, name, artifact.sha256), None
        content, findings = _inspected(farm, artifact, name)
    except (Unavailable, Refused) as trouble:
        return became(Fate.REFUSED, str(trouble)), None
    broken = [_said(each) for each in findings if each.severity is Severity.ERROR]
    if broken and index.kind is IndexClass.INTERNAL:
        return became(Fate.REFUSED, "; ".join(broken)), None
    source = redacted(offer.origin)
    publication = Publication(
        index=index.name,
        project=name.project,
        version=name.version,
        artifact=artifact,
        content=content,
        arrival=Arrival(origin=_ORIGINS[index.kind], source=source, uploaded=offer.uploaded, who=who),
    )
    try:
        _, announced = announce(farm, publication)
    except Refused as refused:
        return became(Fate.CONFLICT, str(refused)), None
    if offer.yanked:
        yank = FileYanked(project=name.project, filename=offer.filename, reason=offer.yank_reason)
        farm.events.append(index.name, yank, who)
    note = f"yanked: {offer.yank_reason or 'without a reason'}" if offer.yanked else ""
    return became(Fate.NEW, note, findings), announced


def _said(finding: Finding) -> str:
    return f"{finding.rule}: {finding.message}"


def _barred(farm: Coordinator, index: Index, name: Named, filename: str) -> str:
    """Why a file called that may not come onto the index, or empty. Only a mirror is closed to names of ours."""
    try:
        read_filename(filename)
    except Refused as refused:
        return str(refused)
    ours = next(forbidden(farm, [name]), "") if index.kind is IndexClass.MIRROR else ""
    return ours or spelt_otherwise(farm, index.name, name.project, filename)


def _met(there: File, offer: Offer, name: Named, sha256: str) -> Carried:
    """What becomes of a file whose name the index has."""
    if there.published.artifact.sha256 == sha256:
        since = offer.yanked and there.yanked is None
        note = f"yanked there since: {offer.yank_reason or 'without a reason'}" if since else ""
        return Carried(name=name, filename=offer.filename, fate=Fate.THERE, note=note)
    note = f"{there.index} has it as sha256:{there.published.artifact.sha256}, there it is sha256:{sha256}"
    return Carried(name=name, filename=offer.filename, fate=Fate.CONFLICT, note=note)


def _inspected(farm: Coordinator, artifact: Artifact, name: Named) -> tuple[str, tuple[Finding, ...]]:
    """The digest of a wheel's content (empty for an sdist), and the findings; ``Refused`` for what nobody can read."""
    with farm.store.open(artifact.sha256) as content:
        if artifact.name.endswith(WHEEL):
            try:
                wheel = read_wheel(artifact.name, content)
            except NotAWheel as problem:
                raise Refused(f"it is not a wheel: {problem}") from problem
            return content_digest(wheel), check(wheel, Claim(project=name.project, version=name.version))
        said = read_distribution(artifact.name, content)
    if said.project and canonicalize_name(said.project) != name.project:
        return "", (replace(error(f"PKG-INFO names {said.project!r}, not {name.project!r}"), rule="name-version"),)
    return "", ()
