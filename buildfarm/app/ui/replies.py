"""What every answer with a page for people says: what it may load, who may keep it, and for how long."""

from __future__ import annotations

from hashlib import sha256

from fastapi import Request, Response

from buildfarm.app.server.access import CHALLENGE, Reader
from buildfarm.app.ui.install import base_of
from buildfarm.app.ui.templating import render
from buildfarm.pages.addresses import is_known

HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; img-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
}
"""The policy (CSP 3): no script at all, and nothing from elsewhere."""


def page(request: Request, template: str, *, status: int = 200, **context: object) -> Response:
    """The template with these values."""
    return text(request, render(template, **{"q": "", **context}), "text/html", status)


def missing(request: Request, sentence: str) -> Response:
    """404, and what is not there."""
    return page(request, "missing.html", status=404, sentence=sentence)


def refused(asking: Reader, index: str) -> Response:
    """401 or 403: whoever asks may not read the index. A browser then asks for user and password."""
    status, reason = asking.refusal(index)
    challenge = {"WWW-Authenticate": CHALLENGE} if status == 401 else {}
    return Response(f"{reason}\n", status, {**HEADERS, "Cache-Control": "no-store", **challenge}, "text/plain")


def text(request: Request, content: str, media_type: str, status: int = 200) -> Response:
    """The text; kept by nobody where somebody said who they are, else asked for anew each time (RFC 9110, 13)."""
    body, headers = content.encode(), {**HEADERS, "Vary": "Authorization"}
    if "authorization" in request.headers:
        return Response(body, status, {**headers, "Cache-Control": "private, no-store"}, media_type)
    tag = f'"{sha256(body).hexdigest()}"'
    headers |= {"Cache-Control": "max-age=0, must-revalidate", "ETag": tag}
    if status == 200 and is_known(tag, request.headers.get("if-none-match", "")):
        return Response(status_code=304, headers=headers)
    return Response(body, status, headers, media_type)


def base(request: Request) -> str:
    """The server as whoever asks has called it, as a URL without a slash at its end."""
    return base_of(request.url.scheme, request.headers.get("host", ""))
