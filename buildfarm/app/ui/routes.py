"""The pages for people, below ``/+ui/``."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import RedirectResponse
from packaging.utils import canonicalize_name

from buildfarm.app.server.access import Reader
from buildfarm.app.server.serving import Asking, Here, Serving
from buildfarm.app.ui import views
from buildfarm.app.ui.about import About, about, summary
from buildfarm.app.ui.catalogue import Catalogue, Shelf, newest
from buildfarm.app.ui.install import install
from buildfarm.app.ui.matrix import Row, in_order, matrix
from buildfarm.app.ui.replies import base, missing, refused, text
from buildfarm.app.ui.replies import page as page_with
from buildfarm.app.ui.templating import ICON, STYLE, render
from buildfarm.model.index import awaited, closure, pending_of, settings
from buildfarm.pages.changes import Change, change
from buildfarm.pages.project import File

PROJECTS, VERSIONS, CHANGES, RECENT = 100, 25, 100, 10
"""How many there are on one page."""

_ONE_YEAR = {"Cache-Control": "max-age=31536000, immutable"}
_READ = 1 << 20  # bytes of METADATA that are looked at
_PUBLISHED = frozenset({"published"})  # on an index where files wait
_MOST = 200  # characters of a question

router = APIRouter(include_in_schema=False)


def _catalogue(request: Request, here: Here) -> Catalogue:
    state = request.app.state
    if not hasattr(state, "catalogue"):  # of two first requests at once, each makes one, and one of them stays
        folder = here.settings.tree
        state.catalogue = Catalogue(here.ledger.events, lambda file: summary(_metadata(folder, file)))
    found: Catalogue = state.catalogue
    return found


def _shelf(catalogue: Annotated[Catalogue, Depends(_catalogue)]) -> Shelf:
    return catalogue.now()


Shelved = Annotated[Shelf, Depends(_shelf)]


def _readable(asking: Asking, shelf: Shelved) -> frozenset[str]:
    """Indexes, and those where their files wait, whose names and contents whoever asks may see.

    A shelf may know an index before it is known whether that is private.
    """
    names = {*asking.indexes.known, *filter(awaited, shelf.own)}
    return frozenset(name for name in names if _known(name, asking) and asking.may_read(name))


Readable = Annotated[frozenset[str], Depends(_readable)]
Question = Annotated[str, Query(max_length=_MOST)]
Number = Annotated[int, Query(ge=1, le=10**9)]


def _get(path: str) -> Callable[[Callable[..., Response]], Callable[..., Response]]:
    return router.api_route(path, methods=["GET", "HEAD"], response_model=None)


@_get("/+ui")
def without_slash() -> Response:
    """To the list of indexes."""
    return RedirectResponse("/+ui/", 308)


@_get("/+ui/style.css")
def style() -> Response:
    """The one stylesheet; its address has its digest."""
    return Response(STYLE, media_type="text/css", headers=_ONE_YEAR)


@_get("/+ui/icon.svg")
def icon() -> Response:
    """The icon of the pages."""
    return Response(ICON, media_type="image/svg+xml", headers={"Cache-Control": "max-age=86400"})


@_get("/+ui/")
def home(request: Request, here: Here, readable: Readable, shelf: Shelved) -> Response:
    """All indexes that may be read, as a tree, and what changed last."""
    recent = _changes(here, readable, readable, None, RECENT)
    return page_with(request, "home.html", tree=views.tree(shelf, readable), recent=recent, readable=readable)


@_get("/+ui/search")
def search(request: Request, readable: Readable, shelf: Shelved, q: Question = "", page: Number = 1) -> Response:
    """Projects whose name or summary has all the words."""
    words = q.lower().split()
    found = views.leaf(shelf.search(words, readable) if words else (), page, PROJECTS)
    return page_with(request, "search.html", q=q.strip(), page=found, rows=found.items, readable=readable)


@_get("/+ui/changes")
def changes(
    request: Request,
    here: Here,
    asking: Asking,
    readable: Readable,
    index: Question = "",
    before: Annotated[int | None, Query(ge=1, lt=1 << 62)] = None,
) -> Response:
    """Every event of an index, or of all that may be read, by serial."""
    if index and not _known(index, asking):
        return missing(request, f"There is no index {index}.")
    if index and not asking.may_read(index):
        return refused(asking, index)
    rows = _changes(here, readable, (index,) if index else readable, before, CHANGES + 1)
    older = rows[CHANGES - 1].event.serial if len(rows) > CHANGES else None
    return page_with(request, "changes.html", of=index, before=before, rows=rows[:CHANGES], older=older)


@_get("/+ui/changes.atom")
def feed(request: Request, here: Here, asking: Asking, readable: Readable, index: Question = "") -> Response:
    """The same as a feed (RFC 4287), the last ones only."""
    if index and not _known(index, asking):
        return missing(request, f"There is no index {index}.")
    if index and not asking.may_read(index):
        return refused(asking, index)
    rows = _changes(here, readable, (index,) if index else readable, None, CHANGES)
    written = render("changes.xml", of=index, rows=rows, base=base(request))
    return text(request, written, "application/atom+xml")


@_get("/+ui/{path:path}")
def place(
    path: str,
    request: Request,
    here: Here,
    asking: Asking,
    readable: Readable,
    shelf: Shelved,
    prefix: Question = "",
    version: Question = "",
    page: Number = 1,
) -> Response:
    """An index (``INDEX/``) or a project on one (``INDEX/PROJECT``)."""
    index, _, name = path.rpartition("/")
    if not _known(index, asking):
        if _known(path, asking):
            return RedirectResponse(f"/+ui/{path}/", 308)
        return missing(request, "There is no such index.")
    if not asking.may_read(index):
        return refused(asking, index)
    if not name:
        return _index(request, here, readable, shelf, index, prefix, page)
    if name != canonicalize_name(name):
        return RedirectResponse(views.page_of(index, canonicalize_name(name)), 308)
    return _project(request, here, readable, shelf, index, name, version, page)


def _index(
    request: Request, here: Serving, readable: frozenset[str], shelf: Shelf, name: str, prefix: str, number: int
) -> Response:
    index = settings(name, shelf.indexes)
    chain = views.chain(name, shelf, readable)
    begin = canonicalize_name(prefix.strip()) if prefix.strip() else ""
    waits = awaited(name)
    names = sorted(shelf.own.get(name, {})) if waits else shelf.projects(name)
    page = views.leaf([each for each in names if each.startswith(begin)], number, PROJECTS)
    pending = pending_of(name)
    return page_with(
        request,
        "index.html",
        index=index,
        words=views.words(index),
        chain=() if waits else chain,
        awaits=waits,
        install=install(base(request), name, "NAME"),
        pending=pending,
        waiting=() if waits else here.ledger.events.publications(pending, _PUBLISHED)[:PROJECTS],
        prefix=prefix,
        page=page,
        rows=views.listed(shelf, name, page.items),
        recent=_changes(here, readable, (name, *(() if waits else chain)), None, RECENT),
        readable=readable,
    )


def _project(
    request: Request,
    here: Serving,
    readable: frozenset[str],
    shelf: Shelf,
    index: str,
    name: str,
    version: str,
    number: int,
) -> Response:
    project = views.project_on(index, here.ledger.events.of_project(name), shelf, name)
    if not project.files and project.status == "active":
        return missing(request, f"{index} has no project {name}.")
    whole = matrix(project.files)
    wanted = version or (newest(project.files).version if project.files else "")
    row = next((each for each in whole.rows if each.version == wanted), None)
    if version and row is None:
        return missing(request, f"{index} has no version {version} of {name}.")
    tree = here.settings.tree
    documents = views.documents(lambda folder: _names(tree / folder), closure(index, shelf.indexes), name, readable)
    pinned = version or (row is not None and row.yanked)  # of a yanked one installers take nothing else
    return page_with(
        request,
        "project.html",
        index=settings(index, shelf.indexes),
        project=project,
        row=row,
        matrix=whole,
        page=views.leaf(whole.rows, number, VERSIONS),
        install=install(base(request), index, f"{name}=={wanted}" if pinned else name),
        about=_about(tree, row),
        files=[
            views.file_shown(file, lambda path: (tree / path).is_file(), readable)
            for file in (in_order(row.files) if row else ())
        ],
        documents=documents,
        readable=readable,
    )


def _about(tree: Path, row: Row | None) -> About:
    return about(_metadata(tree, newest(row.files))) if row else About()


def _metadata(tree: Path, file: File) -> bytes:
    """The head of the core metadata beside a file; nothing where there is none."""
    if not file.published.metadata_sha256:
        return b""
    try:
        with (tree / file.index / "+f" / file.published.artifact.sha256 / f"{file.name}.metadata").open("rb") as beside:
            return beside.read(_READ)
    except OSError:
        return b""


def _names(folder: Path) -> list[str]:
    try:
        return [each.name for each in folder.iterdir()]
    except OSError:
        return []


def _known(index: str, asking: Reader) -> bool:
    """Whether that is an index, or where the files of one wait; for what waits, nothing waits in its turn."""
    return (awaited(index) or index) in asking.indexes.known and not awaited(awaited(index))


def _changes(
    here: Serving, readable: frozenset[str], indexes: Iterable[str], before: int | None, most: int
) -> list[Change]:
    return [change(event, readable) for event in here.ledger.events.latest(indexes, before, most)]
