"""Documentation that projects bring along, kept away from the powers of the site's own pages.

What is in it is somebody's scripts. A sandbox gives it an origin of its own, so that it reads no other page as the
person who looks at it, and it may send forms to itself alone.
"""

from __future__ import annotations

import stat
from collections.abc import Callable
from hashlib import sha256
from mimetypes import MimeTypes
from pathlib import Path
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from fastapi.responses import FileResponse, RedirectResponse
from packaging.utils import canonicalize_name

from buildfarm.app.server.access import Reader
from buildfarm.app.server.form import Sent
from buildfarm.app.server.serving import Asking, Here, Serving
from buildfarm.app.ui.replies import base, missing, refused
from buildfarm.farm.documents import put
from buildfarm.pages.addresses import is_known
from buildfarm.pages.documents import LATEST, folder_of, normal, sorted_versions

router = APIRouter(include_in_schema=False)

POLICY = (
    "sandbox allow-scripts allow-forms allow-popups allow-popups-to-escape-sandbox allow-downloads",
    "default-src 'none'",
    "script-src 'self' 'unsafe-inline'",
    "style-src 'self' 'unsafe-inline'",
    "img-src 'self' data:",
    "font-src 'self' data:",
    "media-src 'self'",
    "base-uri 'none'",
    "frame-ancestors 'none'",
)
"""The policy (CSP 3) of every page but for where its forms may go: scripts and styles as generators of documentation
write them, and nothing from elsewhere.
"""

_TYPES = MimeTypes(filenames=())  # those that Python itself knows: the same on every machine
_NO_PAGE = "There is no such page in this documentation."
_TEXTS = ("text/", "application/javascript", "application/json")


@router.api_route("/{index:path}/+doc/{place:path}", methods=["GET", "HEAD"], response_model=None)
def document(request: Request, here: Here, asking: Asking, index: str, place: str) -> Response:
    """A file (``PROJECT/VERSION/PATH``) of the documentation of a version, or of the newest one."""
    if index not in asking.indexes.known:
        return missing(request, "There is no such index.")
    if not asking.may_read(index):
        return refused(asking, index)
    project, _, path = place.partition("/")
    version, slash, rest = path.partition("/")
    folder = folder_of(index, project)
    versions = _versions(here.settings.tree / folder)
    right = next(iter(versions), "") if version in ("", LATEST) else normal(version)
    if not project or right not in versions:
        return missing(request, f"{index} has no such documentation of {canonicalize_name(project)}.")
    if version != right or project != canonicalize_name(project) or not slash:
        query = f"?{request.url.query}" if request.url.query else ""
        return RedirectResponse(f"/{quote(f'{folder}/{right}/{rest}', safe='/+')}{query}", 302, _fresh(asking, index))
    return _file(request, asking, here.settings.tree / folder / version, index, f"/{folder}/", rest)


def doc_upload(serving: Serving, index: str, sent: Sent, reader: Reader) -> str:
    """``doc_upload`` of the legacy upload API: a zip with the documentation of a version."""
    farm, token = serving.site().farm, reader.token.id if reader.token else 0
    at = put(farm, index, sent.field("name"), sent.field("version"), sent.content, who=reader.who, token=token)
    return f"the documentation is at {at}"


def _file(request: Request, asking: Reader, pointer: Path, index: str, folder: str, rest: str) -> Response:
    """The file below the folder that the pointer leads to now: what is read of one request is of one content."""
    content = pointer.resolve()
    *above, last = rest.split("/")
    if not all(above) or any(part.startswith(".") for part in (*above, last)) or "\\" in rest:
        return missing(request, _NO_PAGE)
    at = content.joinpath(*above, last)
    if _is(stat.S_ISDIR, at) and rest and not rest.endswith("/"):
        return RedirectResponse(f"{quote(request.url.path, safe='/+')}/", 302, _fresh(asking, index))
    if _is(stat.S_ISDIR, at):
        at /= "index.html"
    if not _is(stat.S_ISREG, at):
        return missing(request, _NO_PAGE)
    tag = f'"{sha256(f"{content.name}/{rest}".encode()).hexdigest()}"'
    headers = {**_fresh(asking, index), **_kept_away(request, folder), "ETag": tag}
    if is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    kind = _TYPES.guess_type(at.name)[0] or "application/octet-stream"
    if kind == "application/pdf":  # no browser shows one in a sandbox
        headers["Content-Disposition"] = "attachment"
    if kind.startswith(_TEXTS):
        kind = f"{kind.partition(';')[0]}; charset=utf-8"
    return FileResponse(at, headers=headers, media_type=kind)


def _kept_away(request: Request, folder: str) -> dict[str, str]:
    own = f"form-action {base(request)}{quote(folder, safe='/+')}"  # else it could send forms as whoever looks at it
    return {"Content-Security-Policy": "; ".join((*POLICY, own)), "Referrer-Policy": "no-referrer"}


def _fresh(asking: Reader, index: str) -> dict[str, str]:
    private = asking.indexes.private(index)
    return {"Cache-Control": "private, no-store" if private else "max-age=0, must-revalidate", "Vary": "Authorization"}


def _is(kind: Callable[[int], bool], at: Path) -> bool:
    try:
        return kind(at.stat().st_mode)
    except (OSError, ValueError):  # nothing is there, or no file can have that name
        return False


def _versions(folder: Path) -> tuple[str, ...]:
    try:
        return sorted_versions(each.name for each in folder.iterdir())
    except (OSError, ValueError):
        return ()
