"""URLs for people."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<![a-z+])(?P<scheme>[a-z+]*+)://(?P<who>[^/?#\s]*)@")


def redacted(text: str) -> str:
    """The URL, or a text with URLs in it, stars in place of users and passwords; a mere user of ssh is no secret."""
    return _CREDENTIALS.sub(_hidden, text)


def _hidden(match: re.Match[str]) -> str:
    if match["scheme"].endswith("ssh") and ":" not in match["who"]:
        return match[0]
    return f"{match['scheme']}://***@"
