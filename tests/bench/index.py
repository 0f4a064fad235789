"""How quickly an index is read, beside nginx serving the same tree and devpi-server with the same files.

    .venv/bin/python tests/bench/index.py [--projects N] [--seconds S] [--rounds R]

All three answer at once, one is asked at a time, by wrk with two and with thirty-two connections, for pages of projects
at random, in JSON, as pip asks for them. Prints requests per second and their ratios. nginx and wrk are of the system
(apt install nginx-light wrk); devpi-server comes from the package index, at the version below. Servers bind to
127.0.0.1 and end with the run.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import io
import os
import re
import socket
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import httpx

DEVPI = ("uv", "tool", "run", "--from", "devpi-server==6.20.3", "--with", "setuptools<=81")
SECRET = "of-the-bench"
VERSIONS = ("1.0", "1.1", "1.2", "2.0", "2.1")
OWNER, HEIR = "company/internal", "company/dev"
INDEXES = ("company/base", OWNER, HEIR)  # each inherits from the one before it
OURS = (sys.executable, "-m", "buildfarm")
NGINX = """
{user}daemon off; pid {folder}/nginx.pid; error_log {folder}/nginx.log; worker_processes 1;
events {{ worker_connections 512; }}
http {{
  access_log off; sendfile on;
  client_body_temp_path {folder}/body; proxy_temp_path {folder}/proxy; fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi; scgi_temp_path {folder}/scgi;
  map $http_accept $form {{ default html; "~application/vnd\\.pypi\\.simple\\.(v1|latest)\\+json" json; }}
  server {{
    listen 127.0.0.1:{port}; root {tree};
    location ~ /simple/ {{
      index index.$form; types {{ application/vnd.pypi.simple.v1+json json; text/html html; }}
      gzip_static on; add_header Vary Accept; add_header Cache-Control "max-age=0, must-revalidate";
    }}
  }}
}}
"""
LUA = """
local number = 0
math.randomseed(7)
request = function()
  local path = string.format("{prefix}/p%05d/", math.random(0, {projects} - 1))
  return wrk.format("GET", path, {{
    ["Accept"] = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01",
    ["User-Agent"] = "pip/26.3"
  }})
end
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distribution:
    """A wheel of the bench."""

    project: str
    version: str
    name: str
    content: bytes


def distribution(project: str, version: str) -> Distribution:
    """A wheel that every index takes: a module, METADATA, WHEEL and RECORD."""
    module, folder = project.replace("-", "_"), f"{project}-{version}.dist-info"
    metadata = f"Metadata-Version: 2.1\nName: {project}\nVersion: {version}\nRequires-Python: >=3.9\n".encode()
    files = {
        f"{module}.py": b"",
        f"{folder}/METADATA": metadata,
        f"{folder}/WHEEL": b"Wheel-Version: 1.0\nGenerator: bench\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [f"{name},sha256={_digest(content)},{len(content)}\n" for name, content in files.items()]
    files[f"{folder}/RECORD"] = "".join([*rows, f"{folder}/RECORD,,\n"]).encode()
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name), content)
    return Distribution(
        project=project,
        version=version,
        name=f"{project}-{version}-py3-none-any.whl",
        content=packed.getvalue(),
    )


def fill(home: Path, folder: Path, wheels: list[Distribution]) -> None:
    """A home whose index ``OWNER`` has the wheels, with its heir."""
    folder.mkdir()
    for wheel in wheels:
        (folder / wheel.name).write_bytes(wheel.content)
    base = ""
    for index in INDEXES:
        farm(home, "index", "create", index, *(("--base", base) if base else ()))
        base = index
    farm(home, "import", str(folder), "--index", OWNER)


def farm(home: Path, *words: str) -> None:
    """One command of ours, which must succeed."""
    done = subprocess.run([*OURS, *words, "--home", str(home)], capture_output=True, text=True, check=False)
    if done.returncode:
        sys.exit(f"buildfarm {' '.join(words)} failed:\n{done.stdout}{done.stderr}")


@contextlib.contextmanager
def running(*argv: str, url: str, log: Path) -> Iterator[str]:
    """A server that answers at ``url`` until the context ends."""
    with log.open("wb") as file, subprocess.Popen(argv, stdout=file, stderr=file) as process:
        try:
            for _ in range(600):
                with contextlib.suppress(httpx.HTTPError):
                    httpx.get(url, timeout=2)
                    break
                if process.poll() is not None:
                    break
                time.sleep(0.2)
            else:
                sys.exit(f"{argv[0]} does not answer: {log.read_text(errors='replace')[-2000:]}")
            if process.poll() is not None:
                sys.exit(f"{argv[0]} ended: {log.read_text(errors='replace')[-2000:]}")
            yield url
        finally:
            process.terminate()


def upload_to_devpi(url: str, wheels: list[Distribution]) -> None:
    """The same indexes and files on a devpi-server that is new, by the interface that its own client uses."""
    with httpx.Client(base_url=url, timeout=60) as client:
        _said(client.put("/company", json={"password": SECRET}))
        token = _said(client.post("/+login", json={"user": "company", "password": SECRET})).json()["result"]["password"]
        word = base64.b64encode(f"company:{token}".encode()).decode()
        client.headers["X-Devpi-Auth"] = word
        bases: list[str] = []
        for index in INDEXES:
            _said(client.put(f"/{index}", json={"bases": bases, "volatile": False}))
            bases = [index]
        for wheel in wheels:
            form = {
                ":action": "file_upload",
                "name": wheel.project,
                "version": wheel.version,
                "metadata_version": "2.1",
            }
            form |= {"filetype": "bdist_wheel", "pyversion": "py3"}
            _said(client.post(f"/{OWNER}/", data=form, files={"content": (wheel.name, wheel.content)}))


def rate(url: str, prefix: str, projects: int, connections: int, seconds: int, folder: Path) -> float:
    """Pages per second that a server gives; every answer must be a page."""
    script = folder / "random.lua"
    script.write_text(LUA.format(prefix=prefix, projects=projects))
    argv = ("wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(script), url)
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or (found := re.search(r"Requests/sec:\s+([0-9.]+)", said)) is None:
        sys.exit(f"{url}{prefix} did not answer with pages:\n{said}")
    return float(found[1])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--projects", type=int, default=300, help="of five wheels each (devpi takes 40 ms for one)")
    parser.add_argument("--seconds", type=int, default=2, help="for each measurement")
    parser.add_argument("--rounds", type=int, default=3, help="of all servers one after the other")
    asked = parser.parse_args()
    wheels = [distribution(f"p{number:05d}", version) for number in range(asked.projects) for version in VERSIONS]
    with tempfile.TemporaryDirectory() as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        home = folder / "home"
        fill(home, folder / "wheels", wheels)
        ours, nginx, devpi = (_free() for _ in range(3))
        user = "user root; " if os.geteuid() == 0 else ""  # else its workers may not read the folder
        (folder / "nginx.conf").write_text(NGINX.format(user=user, folder=folder, port=nginx, tree=home / "index"))

        def started(title: str, port: int, *argv: str) -> str:
            return stack.enter_context(running(*argv, url=f"http://127.0.0.1:{port}", log=folder / f"{title}.log"))

        app = started("ours", ours, *OURS, "serve", "--port", str(ours), "--no-access-log", "--home", str(home))
        static = started("nginx", nginx, "nginx", "-e", str(folder / "nginx.log"), "-c", str(folder / "nginx.conf"))
        server = ("--serverdir", str(folder / "devpi"))
        subprocess.run([*DEVPI, "devpi-init", *server, "--no-root-pypi"], check=True, capture_output=True)
        words = (*DEVPI, "devpi-server", *server, "--host", "127.0.0.1", "--port", str(devpi), "--offline-mode")
        peer = started("devpi", devpi, *words)
        upload_to_devpi(peer, wheels)
        places = {
            "nginx, the same tree": (static, f"/{HEIR}/simple"),
            "buildfarm, own index": (app, f"/{OWNER}/simple"),
            "buildfarm, heir": (app, f"/{HEIR}/simple"),
            "devpi-server, own index": (peer, f"/{OWNER}/+simple"),
            "devpi-server, heir": (peer, f"/{HEIR}/+simple"),
        }
        for connections in (2, 32):
            rounds = [
                {
                    title: rate(*place, asked.projects, connections, asked.seconds, folder)
                    for title, place in places.items()
                }
                for _ in range(asked.rounds)
            ]
            print(f"{connections} connections, {asked.projects} projects of {len(VERSIONS)} wheels each")
            for title in places:
                print(f"  {title:26} {median(each[title] for each in rounds):9.0f} pages/s", end="  ")
                print(spread(rounds, title, "nginx, the same tree"), "of nginx")
            print("  heir / own index", spread(rounds, "buildfarm, heir", "buildfarm, own index"), end=", ")
            print("own index / devpi's", spread(rounds, "buildfarm, own index", "devpi-server, own index"), end=", ")
            print("heir / devpi's", spread(rounds, "buildfarm, heir", "devpi-server, heir"), flush=True)


def spread(rounds: list[dict[str, float]], one: str, other: str) -> str:
    """How many times as many pages as the other, in the middle of the rounds, and at their ends."""
    ratios = sorted(each[one] / each[other] for each in rounds)
    return f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"


def _said(answer: httpx.Response) -> httpx.Response:
    if answer.is_error:
        sys.exit(f"devpi-server answered {answer.status_code} to {answer.request.url}: {answer.text[:500]}")
    return answer


def _free() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _digest(content: bytes) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(content).digest()).rstrip(b"=").decode()


if __name__ == "__main__":
    main()
