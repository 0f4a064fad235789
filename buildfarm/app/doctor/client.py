"""`buildfarm doctor --client`: from which index a name would come here, and where somebody could put another."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

import httpx
from packaging.utils import (
    InvalidSdistFilename,
    InvalidWheelFilename,
    canonicalize_name,
    parse_sdist_filename,
    parse_wheel_filename,
)
from packaging.version import Version
from rich.console import Console
from rich.text import Text

from buildfarm.adapters.http_client import open_client
from buildfarm.adapters.pip_config import PipConfig, bare
from buildfarm.adapters.simple_index import ACCEPT, parse_page
from buildfarm.app.doctor.configured import PUBLIC, Configured, Host, Rule, read_all
from buildfarm.app.outside.examine import examine
from buildfarm.app.outside.server import Observation
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.index import is_name
from buildfarm.model.url import redacted

_TIMEOUT = 5.0  # seconds
_FOR_CLIENTS = frozenset({"https", "json", "vary", "freshness", "304", "sha256", "fields", "metadata", "404"})
"""Of what is looked at of a server, that which a host suffers from."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What an index has of a name: the highest version, empty where it has none; or why it is not known.

    ``owners`` are indexes of the same server whose own the name is, where what is here is from none of them.
    """

    url: str
    newest: str = ""
    trouble: str = ""
    owners: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Pick:
    """Where a client would take a name from: ``winner`` is a URL, empty where nobody has it."""

    client: str
    name: str
    winner: str
    answers: tuple[Answer, ...]

    @property
    def owners(self) -> tuple[str, ...]:
        """Whose own the name is, where it would come from somebody else."""
        return next((each.owners for each in self.answers if each.url == self.winner), ())


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """All that was found: of each client, of each name, and of each index that answers."""

    clients: tuple[Configured, ...]
    picks: tuple[Pick, ...]
    servers: Mapping[str, tuple[Observation, ...] | str]

    @property
    def exit_code(self) -> int:
        """1: a name could be hijacked."""
        return 1 if any(each.dangers for each in self.clients) or any(each.owners for each in self.picks) else 0


def judge(host: Host, names: Iterable[str], config: PipConfig) -> HostReport:
    """Read the host's configuration, and ask the indexes in it, with the certificates and credentials of ``config``.

    Raises ``FarmError`` for a file that cannot be read.
    """
    clients = read_all(host)
    urls = tuple(dict.fromkeys(url for each in clients for url in each.indexes))
    wanted = tuple(dict.fromkeys(map(canonicalize_name, names)))
    with open_client(config) as client, ThreadPoolExecutor(max_workers=8) as pool:
        questions = [(url, name) for url in urls for name in wanted]
        asked = dict(zip(questions, pool.map(lambda each: _ask(client, *each), questions), strict=True))
        having = {url: next((name for name in wanted if asked[url, name].newest), "") for url in urls}
        # Of the public index not the list of all projects, which is large.
        looked = [url for url in urls if having[url] or url != PUBLIC]
        servers = dict(zip(looked, pool.map(lambda url: _look(url, having[url], config), looked), strict=True))
    picks = tuple(
        _pick(each, name, tuple(asked[url, name] for url in each.indexes)) for name in wanted for each in clients
    )
    return HostReport(clients=clients, picks=picks, servers=servers)


def _ask(client: httpx.Client, url: str, name: str) -> Answer:
    try:
        answer = client.get(f"{bare(url)}/{name}/", headers={"Accept": ACCEPT}, timeout=_TIMEOUT)
        if answer.status_code == 404:
            return Answer(url=url)
        answer.raise_for_status()
        offers = parse_page(answer.content, answer.headers.get("content-type", ""), str(answer.url))
    except (httpx.HTTPError, httpx.InvalidURL, Unavailable) as error:
        return Answer(url=url, trouble=str(error) or type(error).__name__)
    versions = [version for each in offers if not each.yanked for version in _version(each.filename)]
    if not versions:
        return Answer(url=url)
    return Answer(
        url=url, newest=str(max(versions)), owners=_owners(client, url, name, [each.origin for each in offers])
    )


def _owners(client: httpx.Client, url: str, name: str, files: Iterable[str]) -> tuple[str, ...]:
    """The indexes whose own the name is, if the server of the files knows such and none of the files is of one."""
    having = {file.partition("/+f/")[0] for file in files if "/+f/" in file}
    for up in ("../../", "../../../") if having else ():  # the names of indexes have one segment, or two
        root = urljoin(f"{bare(url).rstrip('/')}/", up)
        try:
            answer = client.get(f"{root}+api/v1/names/{name}", timeout=_TIMEOUT).json()["owners"]
            owners = tuple(filter(is_name, answer))
        except (httpx.HTTPError, ValueError, LookupError, TypeError):  # none of ours
            continue
        return () if any(f"{root}{owner}" in having for owner in owners) else owners
    return ()


def _version(filename: str) -> Iterator[Version]:
    try:
        yield parse_wheel_filename(filename)[1] if filename.endswith(".whl") else parse_sdist_filename(filename)[1]
    except (InvalidWheelFilename, InvalidSdistFilename):
        return


def _look(url: str, project: str, config: PipConfig) -> tuple[Observation, ...] | str:
    try:
        return tuple(
            each for each in examine(bare(url), project, "", config) if each.name in _FOR_CLIENTS and not each.ok
        )
    except FarmError as error:
        return str(error)


def _pick(client: Configured, name: str, answers: tuple[Answer, ...]) -> Pick:
    having = [each for each in answers if each.newest]
    if client.rule is Rule.BEST:
        having.sort(key=lambda each: Version(each.newest), reverse=True)  # stable: of equal ones the first
    return Pick(client=client.client, name=name, winner=having[0].url if having else "", answers=answers)


def to_plain(report: HostReport) -> dict[str, Any]:
    """The same as JSON types, without credentials."""
    return {
        "hijackable": report.exit_code == 1,
        "clients": [
            {
                "client": each.client,
                "read": list(each.files),
                "indexes": [redacted(url) for url in each.indexes],
                "rule": each.rule.name.lower(),
                "dangers": [{"message": redacted(danger.message), "remedy": danger.remedy} for danger in each.dangers],
            }
            for each in report.clients
        ],
        "names": [
            {
                "name": each.name,
                "client": each.client,
                "from": redacted(each.winner),
                "owners": list(each.owners),
                "has": {redacted(one.url): one.newest or one.trouble for one in each.answers},
            }
            for each in report.picks
        ],
        "indexes": {
            redacted(url): [one.seen for one in found] if not isinstance(found, str) else redacted(found)
            for url, found in report.servers.items()
        },
    }


def show(report: HostReport, console: Console) -> None:
    """The same for a person."""
    for line in _lines(report):
        console.print(line, soft_wrap=True, highlight=False)


def _lines(report: HostReport) -> Iterator[Text]:
    for each in report.clients:
        yield Text.assemble((each.client, "bold"), f"  {', '.join(each.files) or 'not configured: its own default'}")
        for number, url in enumerate(each.indexes, 1):
            yield Text(f"  {number}. {redacted(url)}")
        if len(each.indexes) > 1:
            yield Text(f"  of these, {each.rule}")
        if PUBLIC in each.indexes:
            yield Text("  the public one among them: anybody can have a name there that nobody has yet", "dim")
        for danger in each.dangers:
            yield Text.assemble(("  ! ", "yellow"), redacted(danger.message))
            yield Text.assemble(("    do: ", "dim"), danger.remedy)
    for pick in report.picks:
        yield from _of_name(pick)
    for url, found in report.servers.items():
        lacking = found if isinstance(found, str) else ", ".join(each.name for each in found)
        if lacking:
            said = (
                redacted(lacking)
                if isinstance(found, str)
                else f"lacks {lacking}: buildfarm index doctor {redacted(url)}"
            )
            yield Text.assemble((redacted(url), "bold"), f"  {said}")
    yield Text()
    if report.exit_code:
        yield Text("A name of yours could be hijacked on this host: see the lines with !.", "yellow")
    else:
        yield Text("No name can come from two places on this host.", "green")


def _of_name(pick: Pick) -> Iterator[Text]:
    having = ", ".join(f"{each.newest} at {redacted(each.url)}" for each in pick.answers if each.newest)
    lost = "".join(f"; {redacted(each.url)} did not say: {each.trouble}" for each in pick.answers if each.trouble)
    where = f"takes it from {redacted(pick.winner)}" if pick.winner else "finds it nowhere"
    yield Text.assemble((pick.name, "bold"), f"  {pick.client} {where} (there is {having or 'none'}{lost})")
    if pick.owners:
        yield Text.assemble(("  ! ", "yellow"), f"that is somebody else's: the name is {pick.owners[0]}'s own there")
        yield Text.assemble(("    do: ", "dim"), "install from an index that inherits from both")


def host_at(root: Path, home: Path, project: Path, prefix: Path, environ: Mapping[str, str]) -> Host:
    """The machine itself; or the one whose files lie below another root, of which no variable is known."""
    if root == Path("/"):
        return Host(root=root, home=home, project=project, prefix=prefix, environ=environ)
    below = root / home.relative_to("/")
    return Host(root=root, home=below, project=below, prefix=None, environ={})
