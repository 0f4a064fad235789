"""A server of a home of its own, in the process of the tests."""

from __future__ import annotations

import os
import re
import threading
from base64 import urlsafe_b64encode
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from hashlib import sha256
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote
from zipfile import ZipFile, ZipInfo

import httpx
import pytest

if TYPE_CHECKING:
    from buildfarm.app.server.running import IndexServer

JSON = "application/vnd.pypi.simple.v1+json"


class Served:
    """A home, and the server of it. ``heard`` are its requests as ``STATUS METHOD PATH HTTP/1.1``, ``said`` is the rest
    of what it reported.
    """

    def __init__(self, home: Path, server: IndexServer, heard: list[str], said: list[str]) -> None:
        self.home = home
        self.server = server
        self.heard = heard
        self.said = said

    @property
    def url(self) -> str:
        """The server, without a slash at the end."""
        return self.server.url

    @property
    def tree(self) -> Path:
        """The folder of its pages and files."""
        return self.home / "index"

    def make_index(self, name: str, **settings: Any) -> None:
        """An index with these settings of ``model.index.Index``."""
        from buildfarm.model.events import IndexConfigured  # noqa: PLC0415
        from buildfarm.model.index import Index  # noqa: PLC0415

        self.server.ledger.events.append(name, IndexConfigured(index=Index(name=name, **settings)))
        self.forget()

    def make_token(self, index: str, right: str = "upload", **more: Any) -> str:
        """The secret of a new token."""
        from buildfarm.app.tokens import make_token  # noqa: PLC0415
        from buildfarm.model.token import Right, Token  # noqa: PLC0415

        _, secret = make_token(self.server.ledger.tokens, Token(index=index, right=Right(right), **more))
        self.forget()
        return secret

    def forget(self) -> None:
        """See what the ledger says now, not in a second."""
        access = self.server.serving.access
        access._anybody = (float("-inf"), access._anybody[1])
        access._tokens.clear()

    def get(self, path: str, secret: str = "", method: str = "GET", **headers: str) -> httpx.Response:
        """Ask for a path of the server, redirects not followed; names of headers with underscores."""
        auth = ("__token__", secret) if secret else None
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return httpx.request(method, f"{self.url}{path}", headers=given, auth=auth, timeout=30, trust_env=False)

    def upload(self, index: str, name: str, content: bytes, secret: str = "", /, **fields: str) -> httpx.Response:
        """Send a distribution as twine does; its project and version are those of its file name."""
        project, version = name.removesuffix(".tar.gz").split("-")[:2]
        form = {
            ":action": "file_upload",
            "protocol_version": "1",
            "metadata_version": "2.1",
            "name": project,
            "version": version,
            "filetype": "bdist_wheel" if name.endswith(".whl") else "sdist",
            "pyversion": "py3",
            "sha256_digest": sha256(content).hexdigest(),
            **{field.replace("action", ":action"): value for field, value in fields.items()},
        }
        auth = ("__token__", secret) if secret else None
        files = {"content": (name, content, "application/octet-stream")}
        url = f"{self.url}/{index}/"
        return httpx.post(url, data=form, files=files, auth=auth, timeout=60, trust_env=False)

    def versions(self, index: str, project: str, secret: str = "") -> list[str]:
        """Versions of a project on the index; none where it has no page."""
        page = self.get(f"/{index}/simple/{project}/", secret, Accept=JSON)
        return list(page.json()["versions"]) if page.status_code == 200 else []

    def asked(self, index: str) -> list[str]:
        """``STATUS path`` of every GET of the index since the last question."""
        pattern = re.compile(rf"^(\d+) GET /{re.escape(index)}/(\S+) HTTP/1.1$")
        requests = [pattern.sub(r"\1 \2", unquote(line)) for line in self.heard]
        self.heard.clear()
        return requests


def make_wheel(
    name: str, version: str, *lines: str, files: Mapping[str, str] | None = None, tag: str = "py3-none-any"
) -> tuple[str, bytes]:
    """File name and bytes of a pure wheel with these further lines of METADATA; the same bytes each time."""
    info = f"{name}-{version}.dist-info"
    metadata = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}", *lines]
    members = {
        f"{name}.py": f"version = {version!r}\n",
        **(files or {}),
        f"{info}/METADATA": "".join(f"{line}\n" for line in metadata),
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\n"
        + "".join(f"Tag: {python}-none-any\n" for python in tag.partition("-")[0].split(".")),
    }
    recorded = ""
    for path, text in members.items():
        digest = urlsafe_b64encode(sha256(text.encode()).digest()).rstrip(b"=").decode()
        recorded += f"{path},sha256={digest},{len(text.encode())}\n"
    members[f"{info}/RECORD"] = f"{recorded}{info}/RECORD,,\n"
    content = BytesIO()
    with ZipFile(content, "w") as wheel:
        for path, text in members.items():
            wheel.writestr(ZipInfo(path), text)
    return f"{name}-{version}-{tag}.whl", content.getvalue()


@contextmanager
def serving(home: Path, **environ: str) -> Iterator[Served]:
    """A server of the home on a free port; nothing of this machine's engine is used, and no upload is tested."""
    from buildfarm.app.server.running import IndexServer, Place  # noqa: PLC0415
    from buildfarm.app.settings import read_settings  # noqa: PLC0415

    given = {"BUILDFARM_HOME": str(home), "BUILDFARM_ENGINE": "none", **environ}
    settings = read_settings(given, home.parent, {})
    heard: list[str] = []
    said: list[str] = []
    place, surroundings = Place(), {**os.environ, **given}
    with IndexServer(settings, surroundings, place, report=said.append, heard=heard.append) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Served(home, server, heard, said)
        finally:
            server.stop()
            thread.join()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    """A running server of an empty home."""
    with serving(tmp_path / "home") as served:
        yield served
