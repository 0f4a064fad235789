"""What planning needs of an engine is asked in two questions, and without the SDK."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from socketserver import UnixStreamServer
from typing import Any

import pytest

from buildfarm.adapters.container import inventory
from buildfarm.adapters.container.engine import Engine, connect, find
from buildfarm.adapters.container.exports import Exports
from buildfarm.adapters.container.images import Images
from buildfarm.adapters.memory import MemoryStore
from buildfarm.app.image_files import read_images, shipped
from buildfarm.app.settings import read_settings
from buildfarm.app.wiring import open_site
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image, Making, defined
from buildfarm.ports import no_report

VERSION = {"Version": "20.10.24", "Arch": "amd64", "Components": [{"Name": "Engine", "Version": "20.10.24"}]}
PODMAN = {"Version": "4.3.1", "Arch": "arm64", "Components": [{"Name": "Podman Engine", "Version": "4.3.1"}]}
DEBIAN = f"debian@sha256:{'a' * 64}"
ALL = {
    "made": Image(name="made", making=Making(base="bullseye")),
    "changed": Image(name="changed", making=Making(base="bullseye")),
    "absent": Image(name="absent", making=Making(base="bullseye")),
    "pulled": Image(name="pulled", reference=f"docker.io/library/{DEBIAN}"),
    "not-yet": Image(name="not-yet", reference=f"registry.example.com/debian@sha256:{'b' * 64}"),
    "unpinned": Image(name="unpinned", tag="registry.example.com/unpinned:1"),
}


def made(name: str, images: dict[str, Image], **labels: str) -> dict[str, Any]:
    """What an engine tells of an image that was made there."""
    own = defined(images[name], images)
    written = {"buildfarm.definition": own, **{f"buildfarm.{label}": value for label, value in labels.items()}}
    return {"Id": f"id of {name}", "RepoTags": [f"buildfarm/{name}:{own[:12]}"], "RepoDigests": None, "Labels": written}


@contextmanager
def engine(answers: dict[str, Any], folder: Path | None = None) -> Iterator[tuple[str, list[str]]]:
    """One that answers so, by path, at a socket in the folder or by TCP; its URL, and what it was asked."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            answer = answers.get(self.path.partition("?")[0])
            body = b"no such page" if answer is None else json.dumps(answer).encode()
            self.send_response(404 if answer is None else 200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    at = folder / "docker.sock" if folder else None
    server = UnixStreamServer(str(at), Handler) if at else HTTPServer(("127.0.0.1", 0), Handler)
    url = f"unix://{at}" if at else f"tcp://127.0.0.1:{server.socket.getsockname()[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield url, asked
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.mark.parametrize(("version", "words"), [(VERSION, "docker 20.10.24"), (PODMAN, "podman 4.3.1")])
def test_an_engine_by_socket_or_tcp_says_what_it_is(version: dict[str, Any], words: str, tmp_path: Path) -> None:
    for folder in (tmp_path, None):
        with engine({"/version": version, "/info": {"NCPU": 4, "PidsLimit": True}}, folder) as (url, _):
            found = connect(url)
            assert (found.words, found.architecture, found.url) == (words, version["Arch"], url)
            assert (found.processors, found.limiting) == (4, "no limits on memory and processors")
            with pytest.raises(FarmError, match="could not answer /images/json: it answered 404: no such page"):
                inventory.images(found)


def test_what_does_not_answer_like_one_is_none(tmp_path: Path) -> None:
    for named in (f"unix://{tmp_path}/none.sock", "gopher://nowhere", "tcp://nowhere:port", "tcp://[::"):
        with pytest.raises(FarmError, match=r"no container engine answers at .*; start it, or say another one"):
            find({"DOCKER_HOST": named})
    with engine({}) as (url, _), pytest.raises(FarmError, match="it answered 404: no such page"):
        connect(url)


def test_all_images_are_looked_for_in_one_question(tmp_path: Path) -> None:
    other = {"Id": "other", "RepoTags": ["<none>:<none>"], "RepoDigests": ["<none>@<none>"], "Labels": None}
    changed = made("changed", ALL)
    changed["Labels"] = {"buildfarm.definition": "of yesterday"}
    held = [made("made", ALL), changed, {"Id": "id of debian", "RepoTags": None, "RepoDigests": [DEBIAN]}, other]
    with engine({"/version": VERSION, "/images/json": held}) as (url, asked):
        exports = Exports(store=MemoryStore(), folder=tmp_path)
        images = Images(engine=connect(url), images=ALL, exports=exports, report=no_report)
        assert images.reachable() == {"made", "pulled", "not-yet"}
        assert len(asked) == 2
        found = {name: images.present(name) for name in ALL}
    assert {name: id_ for name, id_ in found.items() if id_} == {"made": "id of made", "pulled": "id of debian"}


@pytest.mark.parametrize(
    ("answers", "expected"),
    [
        ({}, False),
        ({"/containers/json": [{}]}, True),
        ({"/volumes": {"Volumes": [{}]}}, True),
        ({"/networks": [{}]}, True),
    ],
)
def test_whether_sessions_left_anything(answers: dict[str, Any], *, expected: bool) -> None:
    nothing = {"/version": VERSION, "/containers/json": [], "/volumes": {"Volumes": None}, "/networks": []}
    with engine(nothing | answers) as (url, asked):
        assert inventory.anything(Engine({"DOCKER_HOST": url}), "buildfarm.farm=/home/me") is expected
    assert all("buildfarm.farm%3D%2Fhome%2Fme" in path for path in asked[1:])


LOOK = """
import os, sys
from pathlib import Path
from buildfarm.adapters.memory import MemoryStore
from buildfarm.app import containers
from buildfarm.app.settings import read_settings
for engine in ("none", sys.argv[2]):
    settings = read_settings({}, Path("/nowhere"), {"home": sys.argv[1], "engine": engine})
    found = containers.look(settings, {}, MemoryStore(), print)
    shop = containers.workshop(found, settings, {}, print)
    assert all(runner.sweep(frozenset()) == () for runner in shop.runners.values())
    shop.warm(())
    print(engine, *{each.name for each in found.environments if not each.lacks})
assert "docker" not in sys.modules and "requests" not in sys.modules, sorted(sys.modules)
"""


def test_a_plan_and_a_sweep_of_nothing_never_load_the_sdk(tmp_path: Path) -> None:
    images = dict(read_images(shipped()))
    answers = {
        "/version": VERSION,
        "/images/json": [made("debian11", images), made("debian11-test", images)],
        "/containers/json": [],
        "/volumes": {"Volumes": []},
        "/networks": [],
    }
    with engine(answers, tmp_path) as (url, asked):
        call = [sys.executable, "-c", LOOK, str(tmp_path), url]
        said = subprocess.run(call, check=True, timeout=60, stdout=subprocess.PIPE, text=True).stdout
    assert said == f"none\n{url} debian11\n"
    assert [path.partition("?")[0] for path in asked] == list(answers)


def test_what_asks_the_ledger_alone_does_not_mind_an_engine_that_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    environ = {"PATH": str(Path(sys.base_prefix) / "bin"), "DOCKER_HOST": "unix:///nowhere/docker.sock"}
    with open_site(read_settings({}, tmp_path, {"home": str(tmp_path / "farm")}), environ) as site:
        assert site.farm.jobs.rows() == ()
        for ask in (site.farm.environments, lambda: site.runner.sweep(frozenset())):
            with pytest.raises(FarmError, match=r"no container engine answers at unix:///nowhere/docker.sock"):
                ask()
