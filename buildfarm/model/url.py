"""URLs that people say, and that are shown to them."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_CREDENTIALS = re.compile(r"(?<![a-z+])(?P<scheme>[a-z+]*+)://(?P<who>[^/?#\s]*)@")


def server_refused(url: str) -> str:
    """Why a text is not the URL of a server, which may be printed; empty where it is."""
    if not _is_server(url):
        return f"{redacted(url)!r} is no URL of a server, such as https://packages.example"
    if "@" in urlsplit(url).netloc:
        return "a URL has credentials in it, which would be printed: leave them out, and use --token-env VAR"
    if not url.isprintable() or re.search(r"[\s\"'\\#]", url):
        return f"{url!r} has characters that no URL has"
    return ""


def _is_server(url: str) -> bool:
    try:
        parts = urlsplit(url)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of brackets, or a port
        return False


def redacted(text: str) -> str:
    """The URL, or a text with URLs in it, stars in place of users and passwords; a mere user of ssh is no secret."""
    return _CREDENTIALS.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    if match["scheme"].endswith("ssh") and ":" not in match["who"]:
        return match[0]
    return f"{match['scheme']}://***@"
