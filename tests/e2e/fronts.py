"""Web servers over the tree of a home: nginx with the configuration that is shipped, and one that only knows files."""

from __future__ import annotations

import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from typing import Any

import httpx
from packaging.utils import canonicalize_name

from buildfarm.farm.render import catch_up
from buildfarm.model.events import FilePublished
from buildfarm.verify.wheelfile import read_wheel
from tests.conftest import cannot
from tests.e2e.serving import Served, make_wheel

ROOT = Path(__file__).parents[2]
SHIPPED = ROOT / "ci" / "nginx"


@dataclass(frozen=True, kw_only=True)
class Front:
    """A server by its kind and URL (no slash at the end); ``cert`` is the CA to trust; ``log`` has its access log."""

    kind: str
    url: str
    cert: Path | None = None
    log: Path | None = None
    heard: list[str] = field(default_factory=list)

    def get(self, path: str, method: str = "GET", secret: str = "", **headers: str) -> httpx.Response:
        """Ask for a path, redirects not followed; the body as it came over the line is ``raw(answer)``."""
        given = {"Accept-Encoding": "identity"} | {name.replace("_", "-"): value for name, value in headers.items()}
        verify = ssl.create_default_context(cafile=str(self.cert)) if self.cert else True
        auth = ("__token__", secret) if secret else None
        with (
            httpx.Client(verify=verify, trust_env=False, timeout=30, auth=auth) as client,
            client.stream(method, f"{self.url}{path}", headers=given) as answer,
        ):
            answer._content = b"".join(answer.iter_raw())  # as it came: httpx would unpack it
            return answer

    @property
    def environ(self) -> Mapping[str, str]:
        """What makes pip and uv trust it."""
        return {"SSL_CERT_FILE": str(self.cert), "PIP_CERT": str(self.cert)} if self.cert else {}

    def statuses(self) -> list[str]:
        """Of the requests so far, oldest first."""
        if self.log is None:
            return [line.split()[0] for line in self.heard]
        time.sleep(0.2)  # its last lines are written as soon as they can be
        return [line.split('"')[2].split()[0] for line in self.log.read_text().splitlines()]


def publish(
    served: Served, index: str, name: str, version: str, *lines: str, uploaded: str = "", tag: str = "py3-none-any"
) -> FilePublished:
    """Put a wheel onto the index as the farm does: the file, the metadata, the event (now, if not said), the pages."""
    farm = served.server.serving.site().farm
    filename, content = make_wheel(name, version, *lines, tag=tag)
    artifact, metadata = farm.store.put(filename, BytesIO(content)), read_wheel(filename, BytesIO(content)).metadata
    path = f"{index}/+f/{artifact.sha256}/{filename}"
    farm.tree.link(path, artifact)
    farm.tree.write(f"{path}.metadata", metadata.raw)
    published = FilePublished(
        project=canonicalize_name(name),
        version=version,
        artifact=artifact,
        metadata_sha256=sha256(metadata.raw).hexdigest(),
        uploaded=uploaded or farm.clock(),
        requires_python=metadata.requires_python,
    )
    farm.events.append(index, published)
    catch_up(farm)
    return published


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port


def certificate(folder: Path) -> tuple[Path, Path]:
    """A certificate of this machine, signed by itself, and its key."""
    folder.mkdir(parents=True, exist_ok=True)
    cert, key = folder / "buildfarm.pem", folder / "buildfarm.key"
    says = ("subjectAltName=IP:127.0.0.1", "basicConstraints=critical,CA:FALSE")  # uv takes no CA for a server
    names = ["-subj", "/CN=127.0.0.1", *(word for each in says for word in ("-addext", each))]
    made = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *names]
    subprocess.run([*made, "-keyout", key, "-out", cert], check=True, capture_output=True)
    return cert, key


def replaced(text: str, changes: Mapping[str, str]) -> str:
    """A configuration as somebody adapts it; every line that is to be changed must be there."""
    for old, new in changes.items():
        assert old in text, old
        text = text.replace(old, new)
    return text


@contextmanager
def nginx(folder: Path, text: str, port: int) -> Iterator[Path]:
    """A real nginx with that configuration inside `http`; answers its access log."""
    program = shutil.which("nginx", path=f"{os.environ['PATH']}:/usr/sbin") or cannot("no nginx (apt: nginx-light)")
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "site.conf").write_text(text)
    kept = "".join(
        f"{each}_temp_path {folder / each};\n" for each in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    user = "user root;\n" if os.geteuid() == 0 else ""  # else its workers may not read the folders of the tests
    (folder / "nginx.conf").write_text(
        f"{user}daemon off;\npid {folder / 'pid'};\nerror_log {folder / 'error.log'};\nevents {{}}\n"
        f"http {{\n{kept}access_log {folder / 'access.log'};\ninclude {folder / 'site.conf'};\n}}\n"
    )
    running = subprocess.Popen([program, "-p", folder, "-c", folder / "nginx.conf"], stderr=subprocess.PIPE)
    try:
        deadline = time.monotonic() + 20
        while True:
            assert running.poll() is None, running.stderr and running.stderr.read()
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                break
            except OSError:
                assert time.monotonic() < deadline, (folder / "error.log").read_text()
                time.sleep(0.05)
        yield folder / "access.log"
    finally:
        running.terminate()
        running.wait(10)
        assert running.stderr
        running.stderr.close()


@contextmanager
def behind_nginx(folder: Path, app: str, tree: Path, public: str = "main") -> Iterator[Front]:
    """The app and its tree behind the nginx configuration that is shipped, with a certificate of its own."""
    cert, key = certificate(folder)
    port = free_port()
    text = replaced(
        (SHIPPED / "buildfarm.conf").read_text(),
        {
            "server 127.0.0.1:8420;": f"server {app.removeprefix('http://')};",
            r'"~^/main(/\+pending)?': rf'"~^/({public})(/\+pending)?',
            "listen 80;": f"listen 127.0.0.1:{free_port()};",
            "listen 443 ssl": f"listen 127.0.0.1:{port} ssl",
            "/etc/ssl/private/buildfarm.pem": str(cert),
            "/etc/ssl/private/buildfarm.key": str(key),
            "/srv/buildfarm/index": str(tree),
        },
    )
    with nginx(folder, text, port) as log:
        yield Front(kind="nginx", url=f"https://127.0.0.1:{port}", cert=cert, log=log)


@contextmanager
def static(tree: Path) -> Iterator[Front]:
    """A server that knows folders and files, and nothing of indexes: `python -m http.server`."""
    heard: list[str] = []

    class Handler(SimpleHTTPRequestHandler):
        def log_request(self, code: Any = "-", size: Any = "-") -> None:
            heard.append(f"{int(code)} {self.requestline}")

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tree))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield Front(kind="static", url=f"http://127.0.0.1:{server.server_port}", heard=heard)
        finally:
            server.shutdown()
            thread.join()
