"""What is looked at of a file, the smallest of its project: of its wheels, if it has any."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from buildfarm.app.outside.server import Observation, Server, is_wheel


def look(server: Server) -> Iterator[Observation]:
    """Its bytes, its headers, and the metadata beside it."""
    file, answer = server.files[0], server.file
    if answer.status_code != 200:
        yield Observation(
            name="file",
            ok=False,
            seen=f"{server.address(file)}: {answer.status_code}",
            follows="nobody can install it",
            remedy="`buildfarm index verify` on the server says what else is missing",
        )
        return
    yield _digest(file, answer.content)
    yield _fields(file)
    if is_wheel(file):  # no installer asks for that of anything else
        yield _metadata(server, file)
    yield _kept(answer.headers)
    yield _head(server, file, len(answer.content))
    yield _range(server, file, answer.content)
    yield _type(answer.headers)


def _digest(file: Mapping[str, Any], content: bytes) -> Observation:
    wanted, found = file.get("hashes", {}).get("sha256", ""), sha256(content).hexdigest()
    return Observation(
        name="sha256",
        ok=wanted == found,
        seen=f"{file.get('filename')}: {found[:12]}…"
        + ("" if wanted == found else f", its page says {wanted or 'none'}"),
        follows="installers refuse it" if wanted else "`pip --require-hashes` and `uv publish --check-url` cannot work",
        remedy="`buildfarm index verify` on the server" if wanted else "an index that gives hashes",
    )


def _fields(file: Mapping[str, Any]) -> Observation:
    lacks = [name for name in ("size", "upload-time") if name not in file]
    return Observation(
        name="fields",
        ok=not lacks,
        seen=f"no {' and no '.join(lacks)}" if lacks else "size, upload-time",
        follows="`pip --uploaded-prior-to` fails, `uv --exclude-newer` finds no version",
        remedy="an index that speaks API 1.1 (PEP 700)",
    )


def _metadata(server: Server, file: Mapping[str, Any]) -> Observation:
    said = file.get("core-metadata") or file.get("dist-info-metadata")
    wanted = said.get("sha256", "") if isinstance(said, dict) else ""
    status, right = 0, False
    if said:
        answer = server.get(f"{server.address(file)}.metadata")
        status = answer.status_code
        right = status == 200 and wanted in ("", sha256(answer.content).hexdigest())
    seen = f"{status}, {'as its page says' if right else 'not what its page says'}" if said else "not offered"
    return Observation(
        name="metadata",
        ok=right and bool(wanted),
        seen=seen + ("" if wanted or not said else ", without a hash"),
        follows="to resolve, pip takes the whole file of every candidate: 77 times the bytes for wheels of 300 kB",
        remedy="an index that gives core metadata with its sha256 (PEP 658, 714)",
    )


def _kept(headers: Mapping[str, str]) -> Observation:
    said = headers.get("cache-control", "")
    return Observation(
        name="immutable",
        ok="immutable" in said or "max-age=31536000" in said,
        seen=f"Cache-Control: {said or 'nothing'}",
        follows="hosts and caches ask again for files that cannot have changed",
        remedy="send `Cache-Control: max-age=31536000, immutable` with what is below /+f/",
    )


def _head(server: Server, file: Mapping[str, Any], size: int) -> Observation:
    answer = server.get(server.address(file), "HEAD", accept_encoding="identity")
    length = answer.headers.get("content-length", "")
    return Observation(
        name="head",
        ok=answer.status_code == 200 and length == str(size),
        seen=f"HEAD: {answer.status_code}, {length or 'no'} bytes",
        follows="uv and pip cannot read a part of a wheel, and take all of it",
        remedy="answer HEAD as GET, with Content-Length",
    )


def _range(server: Server, file: Mapping[str, Any], content: bytes) -> Observation:
    answer = server.get(server.address(file), range="bytes=-16", accept_encoding="identity")
    return Observation(
        name="range",
        ok=answer.status_code == 206 and answer.content == content[-16:],
        seen=f"the last 16 bytes: {answer.status_code}, {len(answer.content)} bytes",
        follows="a broken download begins anew, and metadata of a wheel without .metadata costs all of it",
        remedy="a server that answers Range (RFC 9110, 14): nginx, Apache, `buildfarm serve`",
    )


def _type(headers: Mapping[str, str]) -> Observation:
    kind, encoding = headers.get("content-type", ""), headers.get("content-encoding", "")
    return Observation(
        name="type",
        ok=not kind.startswith("text/") and not encoding,
        seen=f"{kind or 'no content type'}{f', Content-Encoding: {encoding}' if encoding else ''}",
        follows="a client may unpack or convert it on the way, and its hash is another",
        remedy="send files as application/octet-stream, and no Content-Encoding",
    )
