"""What is looked at of a page."""

from __future__ import annotations

import re
from collections.abc import Iterator

from buildfarm.app.outside.server import HTML, JSON, Observation, Server

_NGINX = "see ci/nginx/buildfarm.conf"


def look(server: Server) -> Iterator[Observation]:
    """The page of one project: its forms, its headers, and what leads to it."""
    yield _https(server)
    yield _form(server)
    yield _html(server)
    yield _vary(server)
    yield _fresh(server)
    yield _revalidation(server)
    yield _compression(server)
    yield _redirect(server, "slash", server.url.rstrip("/"), "a URL without its last slash")
    yield _redirect(server, "name", f"{server.root}{server.project.upper()}/", "a name as people write it")
    yield _absent(server)


def _https(server: Server) -> Observation:
    local = re.match(r"http://(localhost|127\.|\[::1\])", server.root)
    return Observation(
        name="https",
        ok=server.root.startswith("https:") or bool(local),
        seen=server.root.partition(":")[0] + (", of this machine itself" if local else ""),
        follows="whoever is on the way can put in other bytes, and reads tokens; pip keeps no page",
        remedy="a certificate of your own CA: `buildfarm serve` and nginx take one",
    )


def _form(server: Server) -> Observation:
    kind = _media(server.json.headers.get("content-type", ""))
    version = ""
    if kind == JSON:
        meta = server.json.json().get("meta", {})
        version = f", API {meta.get('api-version', 'not said')}"
    return Observation(
        name="json",
        ok=server.json.status_code == 200 and kind == JSON,
        seen=f"{server.json.status_code}, {kind or 'no content type'}{version}",
        follows="no sizes and no upload times: `pip --uploaded-prior-to` fails, `uv --exclude-newer` finds nothing",
        remedy=f"answer {JSON} to whoever names it in Accept (PEP 691); nginx: {_NGINX}",
    )


def _html(server: Server) -> Observation:
    kind = _media(server.html.headers.get("content-type", ""))
    return Observation(
        name="html",
        ok=server.html.status_code == 200 and kind in (HTML, "application/vnd.pypi.simple.v1+html"),
        seen=f"{server.html.status_code}, {kind or 'no content type'}",
        follows="pip before 22.2 and browsers cannot read it",
        remedy="answer text/html to whoever does not name JSON in Accept (PEP 503, 691)",
    )


def _vary(server: Server) -> Observation:
    vary = ", ".join(server.json.headers.get_list("vary"))
    named = [each.strip().lower() for each in vary.split(",")]
    both = _media(server.json.headers.get("content-type", "")) == _media(server.html.headers.get("content-type", ""))
    return Observation(
        name="vary",
        ok=both or "accept" in named or "*" in named,
        seen=f"Vary: {vary or 'nothing'}" + ("; one form, so nothing varies" if both else ""),
        follows="a cache between gives the JSON of one client to another that wants HTML",
        remedy="send `Vary: Accept` with pages",
    )


def _fresh(server: Server) -> Observation:
    said = server.json.headers.get("cache-control", "")
    age = re.search(r"max-age=([0-9]+)", said)
    fresh = "no-cache" in said or "no-store" in said or (age is not None and int(age[1]) == 0)
    guessed = not said and "last-modified" in server.json.headers
    return Observation(
        name="freshness",
        ok=fresh or not (said or guessed),
        seen=f"Cache-Control: {said or 'nothing'}" + (", but Last-Modified" if guessed else ""),
        follows="a new version is not seen until that time is over"
        if said
        else "uv takes a page as fresh for a tenth of its age: a new version, a fix perhaps, stays unseen for days",
        remedy="send `Cache-Control: max-age=0, must-revalidate` with pages; until then, in uv.toml: cache-control = "
        '{ api = "max-age=0" }',
    )


def _revalidation(server: Server) -> Observation:
    tag = server.json.headers.get("etag", "")
    since = server.json.headers.get("last-modified", "")
    asked = {"if_none_match": tag} if tag else {"if_modified_since": since}
    status = server.get(server.url, accept=JSON, accept_encoding="identity", **asked).status_code if tag or since else 0
    return Observation(
        name="304",
        ok=status == 304,
        seen=f"{'ETag' if tag else 'Last-Modified' if since else 'no ETag, no Last-Modified'}"
        + (f", then {status}" if status else ""),
        follows="each resolve of each host transfers every page again",
        remedy="send an ETag with pages, and answer If-None-Match with 304",
    )


def _compression(server: Server) -> Observation:
    answer = server.get(server.url, accept=JSON, accept_encoding="gzip")
    encoding = answer.headers.get("content-encoding", "")
    sent = int(answer.headers.get("content-length") or 0)
    return Observation(
        name="gzip",
        ok=encoding == "gzip" and answer.content == server.json.content,
        seen=f"{encoding or 'not compressed'}, {sent or '?'} of {len(server.json.content)} bytes",
        follows="pages of projects with many files take several times as long over a slow line",
        remedy="send the .gz that lies beside each page (nginx: gzip_static on)",
    )


def _redirect(server: Server, name: str, url: str, what: str) -> Observation:
    answer = server.get(url, accept=HTML)
    leads = str(answer.url.join(answer.headers["location"])) if "location" in answer.headers else ""
    return Observation(
        name=name,
        ok=answer.status_code in (301, 302, 307, 308) and leads == server.url,
        seen=f"{what}: {answer.status_code}" + (f" to {leads}" if leads else ""),
        follows="people who type it find nothing; installers are not concerned",
        remedy=f"redirect to the normalised name with a slash (PEP 503); nginx: {_NGINX}",
    )


def _absent(server: Server) -> Observation:
    status = server.get(f"{server.root}no-such-project-is-here/", accept=JSON).status_code
    return Observation(
        name="404",
        ok=status == 404,
        seen=f"a project that is not there: {status}",
        follows="installers end with an error where they should look further, or take another page for it",
        remedy="answer 404; a redirect to another index lets in whatever that one has",
    )


def _media(content_type: str) -> str:
    return content_type.partition(";")[0].strip().lower()
