"""Whether the server works, and what a web server in front of it asks: may this request be answered?"""

from __future__ import annotations

from fastapi import APIRouter, HTTPException, Request, Response

from buildfarm.app.server.access import CHALLENGE
from buildfarm.app.server.serving import Asking, Here
from buildfarm.farm.render import PAGES
from buildfarm.pages.addresses import SERIAL, File, Page, locate

router = APIRouter()


@router.get("/+health")
def health(here: Here) -> dict[str, int]:
    """200 while pages and the ledger can be read: up to which event the pages are on disk."""
    return {"serial": here.ledger.rendering.position(PAGES)}


@router.api_route(f"/{SERIAL}", methods=["GET", "HEAD"], response_class=Response)
def serial(here: Here) -> Response:
    """The same as a file of the tree: servers that only know files have it too."""
    try:
        content = (here.settings.tree / SERIAL).read_bytes()
    except FileNotFoundError:
        raise HTTPException(404, "No page was written yet.") from None
    return Response(content, headers={"Cache-Control": "max-age=0, must-revalidate"}, media_type="text/plain")


@router.get("/+auth", status_code=204)
def auth(request: Request, asking: Asking, here: Here) -> Response:
    """For nginx's ``auth_request``: 204 where ``X-Original-URI`` may be read with these credentials, else 401 or 403.

    What is no page or file of an index is nobody's secret.
    """
    place = locate(request.headers.get("x-original-uri", "").partition("?")[0])
    if place is not None and not asking.indexes.has(place.index):
        asking = here.access.anew(request.headers.get("authorization", ""))
    if isinstance(place, File) and not asking.may_fetch(place.index):
        return _refused(asking, place.index)
    if isinstance(place, Page) and not asking.may_read(place.index):
        return _refused(asking, place.index)
    return Response(status_code=204)


def _refused(asking: Asking, index: str) -> Response:
    status, reason = asking.refusal(index)
    headers = {"WWW-Authenticate": CHALLENGE} if status == 401 else None
    return Response(reason, status_code=status, headers=headers, media_type="text/plain")
