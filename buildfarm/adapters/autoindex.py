"""Files on a web server that lists its folders, as nginx, Apache, Caddy and ``python -m http.server`` do."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from buildfarm.adapters.pip_config import bare
from buildfarm.adapters.simple_index import anchors
from buildfarm.adapters.upstream import Upstream
from buildfarm.model.distribution import named
from buildfarm.model.errors import Unavailable
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason

_TITLE = re.compile(rb"<title>\s*(index of|directory listing)", re.IGNORECASE)
_DEEPEST = 4
_MOST_FOLDERS = 50_000


def is_listing(content: bytes, url: str) -> bool:
    """Whether an HTML page is a listing of files, and not one of projects: by its title, or a file that it links to."""
    return bool(_TITLE.search(content)) or any(named(link.filename) for link in anchors(content, url))


def crawl(url: str, upstream: Upstream) -> tuple[Offer, ...]:
    """The distributions in the folder at a URL and in those below it, up to four levels, each once, by URL.

    A listing tells no hashes: those of the fragments are taken where there are any. Links out of the folder are not
    followed. Raises ``Unavailable`` (code ``upstream``).
    """
    root = bare(url).rstrip("/") + "/"
    found: dict[str, Offer] = {}
    waiting, seen = [(root, 1)], {root}
    while waiting:
        folder, depth = waiting.pop()
        response = upstream.get(folder, {"Accept": "text/html"})
        if response.status_code != 200:
            if folder == root:
                raise _absent(root)
            continue
        for link in anchors(response.content, bare(str(response.url))):
            if not link.url.startswith(root) or urlsplit(link.url).query:  # up, elsewhere, or the same sorted otherwise
                continue
            if named(link.filename):
                digest = re.fullmatch("sha256=([0-9a-f]{64})", link.fragment)
                sha256 = digest[1] if digest else ""
                found[link.url] = Offer(filename=link.filename, origin=link.url, sha256=sha256)
            elif link.url.endswith("/") and depth < _DEEPEST and link.url not in seen and len(seen) < _MOST_FOLDERS:
                seen.add(link.url)
                waiting.append((link.url, depth + 1))
    return tuple(found[each] for each in sorted(found))


def _absent(url: str) -> Unavailable:
    message, advice = f"there is nothing at {url}", "give the URL of a simple index, or of a folder that is listed"
    return Unavailable(Reason(code="upstream", message=message, advice=advice))
