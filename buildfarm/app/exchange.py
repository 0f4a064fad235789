"""What the farm exchanges with the world: where files come from, where they go to, and what became of each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.console import Console

from buildfarm.adapters.autoindex import crawl, is_listing
from buildfarm.adapters.devpi import DevpiStage
from buildfarm.adapters.devpi_export import export_of, read_export
from buildfarm.adapters.directory_target import DirectoryTarget
from buildfarm.adapters.legacy_upload import LegacyIndex
from buildfarm.adapters.listing import Listing, files_below
from buildfarm.adapters.peer import Login, Peer
from buildfarm.adapters.pip_config import PipConfig, bare
from buildfarm.adapters.pypirc import login_for, read_pypirc
from buildfarm.adapters.simple_index import ACCEPT, SimpleIndex
from buildfarm.adapters.upstream import Upstream
from buildfarm.app.table import print_table
from buildfarm.farm.bring import Carried, Fate
from buildfarm.model.errors import RecipeError
from buildfarm.model.events import FilePublished
from buildfarm.model.origin import Offer
from buildfarm.pages.project import File, Project
from buildfarm.pages.simple import render_beside, render_root
from buildfarm.ports import Outlet, Shelf

DEVPI, SECTION = "devpi:", "pypirc:"


def open_shelf(source: str, upstream: Upstream, cache: Path) -> Shelf:
    """What is at a URL (a simple index, or a listing of files) or in a folder (files, or an export of devpi).

    Raises ``RecipeError`` for what is neither, ``Unavailable`` where it cannot be asked.
    """
    if "://" not in source:
        folder = Path(source).absolute()
        if export := export_of(folder):
            return Listing(read_export(*export))
        if not folder.is_dir():
            raise RecipeError(f"{source} is no folder and no URL; name one of an index, a listing, files, or an export")
        return Listing(files_below(folder))
    url = bare(source).rstrip("/") + "/"
    page = upstream.get(url, {"Accept": ACCEPT})
    if "json" not in page.headers.get("Content-Type", "") and is_listing(page.content, str(page.url)):
        return Listing(crawl(url, upstream))
    return SimpleIndex(url, upstream, cache)


class FirstOf:
    """A ``ports.Shelf`` of several: the first that knows a project is the only one asked for it."""

    def __init__(self, shelves: Iterable[Shelf]) -> None:
        self._shelves = tuple(shelves)

    def projects(self) -> tuple[str, ...]:
        """Those of all."""
        return tuple(sorted({name for shelf in self._shelves for name in shelf.projects()}))

    def offers(self, project: str) -> tuple[Offer, ...]:
        """The files of the first that has any."""
        return next((offers for shelf in self._shelves if (offers := shelf.offers(project))), ())


def configured(config: PipConfig, upstream: Upstream, cache: Path) -> Shelf:
    """The indexes of pip's configuration."""
    return FirstOf(SimpleIndex(url, upstream, cache) for url in config.indexes)


def asking(source: str, environ: Mapping[str, str]) -> dict[str, str]:
    """The environment in which pip, and so every part of the farm, asks that source alone: a URL or a folder."""
    rest = {name: value for name, value in environ.items() if not name.startswith(("PIP_EXTRA_", "PIP_FIND_"))}
    if "://" in source:
        return {**rest, "PIP_INDEX_URL": source}
    return {**rest, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(Path(source).absolute())}


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where to publish to, as the call says it.

    ``target``: ``devpi:URL``, a URL, ``pypirc:SECTION`` or a folder. ``login`` is who the call names; None: whom
    ``pypirc`` or ``.netrc`` of ``home`` name. ``check`` is the URL of the simple index, empty: below the target.
    """

    target: str
    pypirc: Path
    home: Path
    login: Login | None = None
    check: str = ""
    pages: bool = False


@contextmanager
def open_outlet(address: Address, config: PipConfig) -> Iterator[Outlet]:
    """The outlet at an address; raises ``RecipeError`` for an address that is wrong, else as its calls do."""
    repositories = read_pypirc(address.pypirc)
    target, login = address.target, address.login
    if target.startswith(SECTION):
        section = next((each for each in repositories if each.name == target.removeprefix(SECTION)), None)
        if section is None:
            known = ", ".join(each.name for each in repositories) or "none"
            raise RecipeError(
                f"{address.pypirc} has no section {target!r} with a repository; those that it has: {known}"
            )
        target, login = section.url, login or section.login
    url = target.removeprefix(DEVPI)
    if "://" not in url:
        yield DirectoryTarget(Path(url), folder_pages if address.pages else None)
        return
    login = login or login_for(url, repositories, address.home)
    with closing(Peer(url, config)) as peer:
        if target.startswith(DEVPI):
            yield DevpiStage(peer, login)
            return
        if login:
            peer.allow({"Authorization": f"Basic {login.basic}"})
        yield LegacyIndex(peer, peer.url, address.check or f"{peer.url.rstrip('/')}/simple")


def folder_pages(project: str, published: tuple[FilePublished, ...], projects: tuple[str, ...]) -> Mapping[str, bytes]:
    """The pages of a simple index whose files lie beside it: that of the project, and the one of all projects."""
    files = tuple(File(index="", published=each) for each in published)
    return {**render_beside(Project(name=project, files=files)), **render_root(projects)}


def to_plain(carried: Iterable[Carried]) -> list[dict[str, Any]]:
    """What became of the files as JSON types."""
    return [
        {
            "project": each.name.project,
            "version": each.name.version,
            "filename": each.filename,
            "result": str(each.fate),
            "note": each.note or None,
            "warnings": list(each.warnings),
        }
        for each in carried
    ]


def print_carried(carried: tuple[Carried, ...], console: Console) -> None:
    """What a person must look at, then how many of each there are."""
    rows = [(each.filename, str(each.fate), each.note) for each in carried if not each.good or each.note]
    if rows:
        print_table(console, ("file", "result", ""), rows)
    warned = sum(bool(each.warnings) for each in carried)
    count = Counter(each.fate for each in carried)
    said = [f"{count[fate]} {fate}" for fate in Fate if count[fate]]
    said += [f"{warned} with warnings of the rules (--json has them)"] if warned else []
    console.print(", ".join(said) or "nothing", highlight=False)
