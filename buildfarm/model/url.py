"""URLs for people."""

from __future__ import annotations

import re

_CREDENTIALS = re.compile(r"(?<=://)[^/?#\s]*@")


def redacted(text: str) -> str:
    """The URL, or a text with URLs in it, with stars in place of users and passwords."""
    return _CREDENTIALS.sub("***@", text)
