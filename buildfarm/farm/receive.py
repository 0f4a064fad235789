"""What becomes of an upload: it is looked at, kept, and published, at once or when its tests are in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO

from packaging.utils import canonicalize_name

from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.distribution import read_distribution
from buildfarm.farm.filename import read_filename, version_of
from buildfarm.farm.files import file_of, open_index, spelt_otherwise
from buildfarm.farm.gate import ask_again, waiting
from buildfarm.farm.publish import FILES, release
from buildfarm.farm.render import render
from buildfarm.model.distribution import WHEEL, Named
from buildfarm.model.errors import Refused
from buildfarm.model.events import Origin, unaccepted
from buildfarm.model.index import Index, pending_of
from buildfarm.model.records import Arrival, Publication
from buildfarm.model.wheel import Finding, Severity
from buildfarm.pages.project import File
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.rules import check
from buildfarm.verify.wheelfile import content_digest, read_wheel


@dataclass(frozen=True, slots=True, kw_only=True)
class Incoming:
    """A file that somebody wants to have on an index, and what they say of it.

    ``content`` can be sought and stands at the start; ``sha256`` and ``size`` (bytes) are what was counted while it
    came in, not what was claimed. ``project`` and ``version`` are those of the form; empty: not said. ``token`` as in
    ``Arrival``.
    """

    index: str
    filename: str
    content: IO[bytes]
    size: int
    sha256: str
    project: str = ""
    version: str = ""
    who: str = ""
    token: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What became of it: on which index it is now (``NAME/+pending`` while it waits), and whether that is news.

    ``note`` is a sentence for whoever sent it, empty where there is nothing to say.
    """

    index: str
    filename: str
    new: bool
    note: str = ""


def receive(farm: Coordinator, incoming: Incoming) -> Receipt:
    """Take an upload. When it returns, the file is durable and on a page, of the index or of that where files wait.

    The same name and bytes again: a receipt that is not ``new``, and tests that failed are tried again. Raises
    ``Refused`` with everything that is wrong with it (400; 403 where the index takes none, or its token has ended; 404
    where there is no such index), ``FarmError`` where the farm is at fault, such as a full disk; nothing is then on any
    page.
    """
    index = open_index(farm, incoming.index)
    named = read_filename(incoming.filename)
    there = file_of(farm, index.name, named.project, incoming.filename)
    if there and there.published.artifact.sha256 == incoming.sha256:
        render(farm)  # whoever sent it first may have been killed
        return Receipt(index=index.name, filename=incoming.filename, new=False, note="it is there already")
    if there and not index.volatile:
        raise Refused(
            f"{incoming.filename} already exists on {index.name} with other bytes, and no file of it is ever replaced: "
            "give it a new version"
        )
    if twin := spelt_otherwise(farm, index.name, named.project, incoming.filename):
        raise Refused(f"{twin}; give it a new version")
    content, warnings = _inspected(incoming, named)
    waits = bool(unaccepted(index, ()))
    onto = pending_of(index.name) if waits else index.name
    before = file_of(farm, onto, named.project, incoming.filename) if waits else there
    arrival = Arrival(
        origin=Origin.UPLOADED, replaces=_others(before, incoming), who=incoming.who, token=incoming.token
    )
    with farm.rendering.lock(FILES, shared=True):
        publication = Publication(
            index=onto,
            project=named.project,
            version=named.version,
            artifact=farm.store.put(incoming.filename, incoming.content),
            content=content,
            arrival=arrival,
        )
        new = release(farm, publication)
    said = []
    if waits:
        _ask(farm, index, named, incoming)
        until = "it is tested" if incoming.filename.endswith(WHEEL) else f"a wheel of it is on {index.name}"
        said = [f"it waits on {onto} until {until}" if new else "its tests are tried again"]
    note = "; ".join([*said, *(f"warning: {each.rule}: {each.message}" for each in warnings)])
    return Receipt(index=onto, filename=incoming.filename, new=new, note=note)


def _inspected(incoming: Incoming, named: Named) -> tuple[str, tuple[Finding, ...]]:
    """The digest of a wheel's content (empty for an sdist) and the warnings; raises ``Refused`` with all errors."""
    wrong = list(_disagreeing("the form", incoming.project, incoming.version, named, incoming.filename))
    content, findings = "", tuple[Finding, ...]()
    if incoming.filename.endswith(".whl"):
        try:
            wheel = read_wheel(incoming.filename, incoming.content)
        except NotAWheel as problem:
            raise Refused("\n".join([*wrong, f"{incoming.filename} is not a wheel: {problem}"])) from problem
        findings = check(wheel, Claim(project=named.project, version=named.version))
        content = content_digest(wheel)
        wrong += [f"{each.rule}: {each.message}" for each in findings if each.severity is Severity.ERROR]
    else:
        said = read_distribution(incoming.filename, incoming.content)
        wrong += _disagreeing("PKG-INFO", said.project, said.version, named, incoming.filename)
    if wrong:
        raise Refused("\n".join(wrong))
    incoming.content.seek(0)
    return content, findings


def _disagreeing(who: str, project: str, version: str, named: Named, filename: str) -> Iterator[str]:
    """What somebody says of a file and its name does not; empty is nothing said."""
    if project and canonicalize_name(project) != named.project:
        yield f"{who} names the project {project!r}, the file {filename} is of {named.project}"
    if version and version_of(version) != version_of(named.version):
        yield f"{who} names the version {version!r}, the file {filename} is of {named.version}"


def _others(before: File | None, incoming: Incoming) -> str:
    """The digest of other bytes that have the name now."""
    digest = before.published.artifact.sha256 if before else ""
    return "" if digest == incoming.sha256 else digest


def _ask(farm: Coordinator, index: Index, named: Named, incoming: Incoming) -> None:
    files = waiting(farm, index.name, named.project)
    ask_again(farm, (each for each in files if each.artifact.name == incoming.filename))
