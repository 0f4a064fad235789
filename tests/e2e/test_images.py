"""Images as a person has them: made in small, pinned against a real registry, loaded from the store, cleared away."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from docker.errors import APIError

from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.farm import identity
from buildfarm.adapters.container.labels import ours
from buildfarm.adapters.container.making.taken import content, taken

pytestmark = [pytest.mark.engine, pytest.mark.slow]


class Site:
    """A home with images of its own, on this machine's engine."""

    def __init__(self, folder: Path) -> None:
        self.home, self.images = folder / "home", folder / "images"
        self.images.mkdir()

    def describe(self, name: str, text: str) -> Path:
        file = self.images / f"{name}.yaml"
        file.write_text(f"name: {name}\n{text}")
        return file

    def command(self, *words: str) -> tuple[list[str], dict[str, str]]:
        environ = {**os.environ, "BUILDFARM_IMAGES": str(self.images), "BUILDFARM_HOME": str(self.home)}
        return [sys.executable, "-m", "buildfarm", "image", *words], environ

    def run(self, *words: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        argv, environ = self.command(*words)
        done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
        assert done.returncode == code, done.stdout + done.stderr
        return done

    def json(self, *words: str, code: int = 0) -> Any:
        return json.loads(self.run(*words, "--json", code=code).stdout)

    def containers(self, engine: Engine) -> list[Any]:
        return engine.client.containers.list(all=True, filters={"label": f"buildfarm.farm={identity(self.home)}"})

    def forget(self, engine: Engine) -> None:
        """Take from the engine all that this home made on it, stages too."""
        while found := engine.client.images.list(all=True, filters={"label": f"buildfarm.farm={identity(self.home)}"}):
            for each in found:
                with contextlib.suppress(APIError):  # gone with another, or another is made of it
                    engine.client.images.remove(str(each.id), force=True)


@pytest.fixture
def site(tmp_path: Path, engine: Engine) -> Iterator[Site]:
    site = Site(tmp_path)
    yield site
    names = [file.stem for file in site.images.glob("*.yaml")]
    if names:
        site.run("rm", *names)
    site.forget(engine)


Push = Callable[[str], str]


@pytest.fixture
def push(engine: Engine, registry: str, site: Site) -> Iterator[Callable[[str], str]]:
    """Pushes a system of this machine's own programs under ``REGISTRY/tiny:1``, with a mark in it; answers the tag."""
    tag = f"{registry}/tiny:1"

    def pushed(mark: str) -> str:
        engine.client.api.import_image_from_data(_system(mark), repository=f"{registry}/tiny", tag="1")
        said = engine.client.images.push(f"{registry}/tiny", tag="1")
        assert "error" not in said, said
        engine.client.images.remove(tag)
        return tag

    yield pushed
    site.forget(engine)
    for found in engine.client.images.list(name=f"{registry}/tiny"):
        engine.client.images.remove(str(found.id), force=True)


def _system(mark: str) -> bytes:
    """An archive of a shell and a few programs with the libraries that they load."""
    programs = [shutil.which(name) for name in ("sh", "find", "grep", "head", "rm", "sleep", "cat", "timeout")]
    paths = {path for path in programs if path}
    for path in tuple(paths):
        said = subprocess.run(["ldd", path], capture_output=True, text=True, check=False).stdout
        paths |= {word for word in said.split() if word.startswith("/")}
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        for path in sorted(paths):
            real = Path(path).resolve()
            with real.open("rb") as file:
                archive.addfile(archive.gettarinfo(real, arcname=path.lstrip("/")), file)
        member = tarfile.TarInfo("mark")
        member.size = len(mark)
        archive.addfile(member, io.BytesIO(mark.encode()))
    return packed.getvalue()


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[str]:
    """A registry of Debian's package docker-registry on a loopback port; the engine talks to such without TLS."""
    program = shutil.which("docker-registry")
    if program is None:
        if os.environ.get("CI") == "true":
            pytest.fail("docker-registry is missing (apt-get install docker-registry)", pytrace=False)
        pytest.skip("docker-registry is missing (apt-get install docker-registry)")
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{found.getsockname()[1]}"
    config = tmp_path / "registry.yml"
    folder = f"storage: {{filesystem: {{rootdirectory: '{tmp_path / 'registry'}'}}}}"
    config.write_text(f"version: 0.1\n{folder}\nhttp: {{addr: '{address}'}}\n")
    with (tmp_path / "registry.log").open("wb") as log:
        process = subprocess.Popen([program, "serve", str(config)], stdout=log, stderr=log)
    try:
        _answering(address)
        yield address
    finally:
        process.terminate()
        process.wait()


def _answering(address: str) -> None:
    host, port = address.split(":")
    for _ in range(100):
        with socket.socket() as client:
            if client.connect_ex((host, int(port))) == 0:
                return
        time.sleep(0.1)
    pytest.fail("the registry does not answer")


def reads(engine: Engine, image: str, path: str) -> str:
    with taken(engine, image, path, ours("test", "making")) as archive:
        return content(archive)


def test_a_digest_is_written_and_a_moved_tag_is_noticed(site: Site, engine: Engine, push: Push) -> None:
    file = site.describe("tiny", f"tag: {push('one')}   # ours\nmanager: apt\n")
    before = file.read_text()
    assert "buildfarm image pin tiny" in site.run("build", "tiny", code=3).stderr
    site.run("pin", "--check", code=1)
    assert file.read_text() == before
    (pinned,) = site.json("pin")["images"]
    assert pinned["before"] == ""
    assert file.read_text() == before.replace("# ours\n", f"# ours\nreference: {pinned['after']}\n")
    assert "still names" in site.run("pin", "--check").stdout

    push("two")
    assert "the tag has moved" in site.run("pin", "--check", code=1).stdout
    (made,) = site.json("build", "tiny")["images"]
    assert reads(engine, made["id"], "/mark") == "one"  # what is pinned, not what the tag has become

    assert "the tag has moved" in site.run("pin", "tiny").stdout
    (listed,) = site.json("list")["images"]
    assert not listed["here"]
    (made,) = site.json("build", "tiny")["images"]
    assert reads(engine, made["id"], "/mark") == "two"


def test_what_no_registry_answers_is_told_for_all_and_nothing_is_written(site: Site, push: Push) -> None:
    good = site.describe("tiny", f"tag: {push('one')}\n")
    site.describe("gone", f"tag: {good.read_text().split()[-1].replace('tiny:1', 'none:1')}\n")
    before = good.read_text()
    said = site.run("pin", code=3).stderr
    assert "gone.yaml: the container engine could not ask the registry for" in said
    assert good.read_text() == before
    assert "no image with a tag; those that have one: gone, tiny" in site.run("pin", "tinny", code=2).stderr


@pytest.fixture
def tiny(site: Site, push: Push) -> None:
    site.describe("tiny", f"tag: {push('base')}\n")
    site.run("pin")


@pytest.mark.usefixtures("tiny")
def test_an_image_is_made_once_and_a_change_makes_it_anew(site: Site, engine: Engine) -> None:
    site.describe("own", "make: {base: tiny, run: [echo one >/own]}\n")
    (made,) = site.json("build", "own")["images"]
    assert reads(engine, made["id"], "/own") == "one\n"
    assert site.run("build", "own").stderr == ""
    assert site.json("build", "own")["images"] == [made]

    site.describe("own", "make: {base: tiny, run: [echo two >/own]}\n")
    assert [each["here"] for each in site.json("list")["images"]] == [False, True]
    (other,) = site.json("build", "own", "--no-export")["images"]
    assert reads(engine, other["id"], "/own") == "two\n"
    gone = site.json("gc")["removed"]
    assert made["tag"] in gone
    assert other["tag"] not in gone
    assert any(each.endswith("in the store") for each in gone)
    assert not list((site.home / "images").glob("*.json"))


@pytest.mark.usefixtures("tiny")
def test_another_engine_of_the_home_loads_what_was_made(site: Site, engine: Engine) -> None:
    """The engine forgets the image and its stages, as one would that never had them."""
    site.describe("own", "make: {base: tiny, run: [echo one >/own]}\n")
    (made,) = site.json("build", "own")["images"]
    site.forget(engine)
    (listed, _) = site.json("list")["images"]
    assert (listed["here"], listed["exported"]) == (False, True)
    done = site.run("build", "own", "--json")
    assert "loading own from the store" in done.stderr
    assert json.loads(done.stdout)["images"][0]["id"] == made["id"]


@pytest.mark.usefixtures("tiny")
def test_a_program_that_must_be_absent_is_found(site: Site, engine: Engine) -> None:
    site.describe("own", "make: {base: tiny, absent: [grep, gcc]}\n")
    said = site.run("build", "own", code=3).stderr
    assert "this must not be in the image: /" in said
    assert "grep" in said
    assert [each["here"] for each in site.json("list")["images"]] == [False, True]
    assert not site.containers(engine)


@contextlib.contextmanager
def begun(site: Site, engine: Engine) -> Iterator[subprocess.Popen[bytes]]:
    """A call that makes the image ``own``, from when it has a container on."""
    argv, environ = site.command("build", "own")
    with subprocess.Popen(argv, env=environ, stderr=subprocess.DEVNULL) as process:
        for _ in range(300):
            if site.containers(engine):
                break
            time.sleep(0.1)
        yield process


@pytest.mark.usefixtures("tiny")
def test_an_interrupted_one_leaves_no_container_and_goes_on(site: Site, engine: Engine) -> None:
    site.describe("own", "make: {base: tiny, run: [sleep 300]}\n")
    with begun(site, engine) as process:
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    assert not site.containers(engine)
    site.describe("own", "make: {base: tiny, run: [sleep 0]}\n")
    site.run("build", "own", "--no-export")


@pytest.mark.usefixtures("tiny")
def test_what_a_killed_one_left_is_removed_by_the_next(site: Site, engine: Engine) -> None:
    site.describe("own", "make: {base: tiny, run: [sleep 300]}\n")
    with begun(site, engine) as process:
        process.kill()
    (left,) = site.containers(engine)
    site.describe("own", "make: {base: tiny, run: [sleep 0]}\n")
    site.run("build", "own", "--no-export")
    assert left.id not in [each.id for each in site.containers(engine)]


def test_without_an_engine_one_sentence_says_how_to_get_it(tmp_path: Path) -> None:
    site = Site(tmp_path)
    site.describe("own", "make: {base: bullseye}\n")
    argv, environ = site.command("build", "own")
    environ["BUILDFARM_ENGINE"] = "none"
    done = subprocess.run(argv, env=environ, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (3, "")
    assert done.stderr == "error: no container engine is used here (setting engine)\n"
    argv[-2:] = ["list", "--json"]
    listed = json.loads(subprocess.run(argv, env=environ, capture_output=True, text=True, check=True).stdout)
    assert listed["images"][0]["here"] is None


def test_what_builds_run_in_has_its_interpreters(engine: Engine, image: Callable[[str], str]) -> None:
    program = "import sys, sysconfig; print(sys.version_info[:2], sysconfig.get_config_var('Py_GIL_DISABLED') or 0)"
    for name in ("debian11", "debian11-test"):
        for python, said in (
            ("cp311-cp311", "(3, 11) 0"),
            ("cp313-cp313", "(3, 13) 0"),
            ("cp313-cp313t", "(3, 13) 1"),
        ):
            command = [f"/opt/python/{python}/bin/python", "-c", program]
            output = engine.client.containers.run(image(name), command, remove=True, network_mode="none", user="build")
            assert output.decode().strip() == said
