"""Pages that a proxy passes on: links of another server made absolute, and what says that it is a proxy."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from html import escape, unescape
from urllib.parse import urljoin

_HEAD = re.compile(rb"<head(?:\s[^>]*)?>", re.IGNORECASE)
_BASE = re.compile(rb"""<base\s[^>]*href\s*=\s*["']?([^"'\s>]*)""", re.IGNORECASE)


def absolute(content: bytes, media: str, url: str) -> bytes:
    """A page of a project (PEP 503, 691) that was at that URL, with links that lead there from anywhere.

    Raises ``ValueError`` for JSON that is no such page.
    """
    if not media.endswith("json"):
        head, base = _HEAD.search(content), _BASE.search(content)
        at = head.end() if head else 0
        whence = urljoin(url, unescape(base[1].decode("utf-8", "replace")) if base else "")
        return content[:at] + f'<base href="{escape(whence)}">'.encode() + content[at:]  # of several the first counts
    try:
        document = json.loads(content)
        links = [urljoin(url, file["url"]) for file in document["files"]]
        if all(link == file["url"] for link, file in zip(links, document["files"], strict=True)):
            return content
        for link, file in zip(links, document["files"], strict=True):
            file["url"] = link
    except (LookupError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"it is no page of a project: {error!r}") from error
    return f"{json.dumps(document)}\n".encode()


def marked(content: bytes, media: str, sources: Iterable[str]) -> bytes:
    """Our page that lists all projects, with what a proxy has to say of itself."""
    if not media.endswith("json"):
        said = f"<p>This is a proxy: what is not listed may come from {escape(', '.join(sources))}, unreviewed.</p>"
        return content.replace(b"</h1>", b"</h1>\n" + said.encode(), 1)
    document = json.loads(content)
    document["meta"]["_falls-through-to"] = list(sources)  # PEP 691 leaves such keys to servers
    return f"{json.dumps(document, indent=1)}\n".encode()
