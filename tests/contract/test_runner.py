"""What every ``Runner`` promises: in memory, on this machine without isolation, and in bubblewrap.

Commands are ones that a program in memory can play as well: ``echo``, ``cat``, ``cp``, ``ln -s`` and ``sh -c 'exit N'``.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import signal
import socket
import sys
import tarfile
import threading
import time
from collections.abc import Callable, Iterator, MutableMapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import pytest

from buildfarm.adapters.host import bubblewrap
from buildfarm.adapters.host.provision import Provision
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.memory_runner import MemoryRunner
from buildfarm.model.errors import FarmError, StepFailed
from buildfarm.model.job import Environment
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Archive, Command, Completed, Ended, Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Runner, Session

BWRAP = bubblewrap.find(os.environ.get("PATH", os.defpath))
ENVIRONMENT = Environment(
    name="test",
    lane="linux-x86_64-host",
    target=Target.parse("cp311-manylinux_2_17_x86_64"),
    definition={},
    test_definition={},
)


class Shelf:
    """A store in a dictionary."""

    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def put(self, name: str, content: IO[bytes]) -> Artifact:
        data = content.read()
        sha256 = hashlib.sha256(data).hexdigest()
        self.kept[sha256] = data
        return Artifact(name=name, size=len(data), sha256=sha256)

    def open(self, sha256: str) -> IO[bytes]:
        return io.BytesIO(self.kept[sha256])

    def has(self, sha256: str) -> bool:
        return sha256 in self.kept


@dataclass
class Farm:
    """A runner, its store and home, and what its sessions wrote."""

    runner: Runner
    store: Shelf
    home: Path
    log: list[bytes] = field(default_factory=list)

    def open(
        self, limits: Limits | None = None, stop: Callable[[], bool] = lambda: False, owner: str = "us"
    ) -> AbstractContextManager[Session]:
        limits = limits or Limits(wall=20, silence=10)
        spec = SessionSpec(
            attempt="attempt", owner=owner, purpose=Purpose.TEST, environment=ENVIRONMENT, limits=limits, epoch=1_000_000_000
        )
        return self.runner.open(spec, self.log.append, stop)


@contextmanager
def provide(spec: SessionSpec) -> Iterator[Provision]:
    yield Provision(python="/usr/bin/python3")


def play(command: Command, files: MutableMapping[str, bytes]) -> tuple[int, bytes]:
    """The programs of a machine in memory."""
    match command.argv:
        case ("echo", *words):
            return 0, " ".join(words).encode() + b"\n"
        case ("cat", path) if path in files:
            return 0, files[path]
        case ("cp", source, target):
            files[target] = files[source]
            return 0, b""
        case ("ln", "-s", _, _):
            return 0, b""  # a memory session has no links
        case ("sh", "-c", script) if script.startswith("exit "):
            return int(shlex.split(script)[1]), b""
        case ("cat", path):
            return 1, path.encode() + b": No such file\n"
        case _:
            return 127, command.argv[0].encode() + b": not found\n"


HOSTS = [pytest.param("plain", id="plain"), pytest.param("bubblewrap", marks=pytest.mark.host, id="bubblewrap")]


def make(kind: str, home: Path) -> Farm:
    if kind == "bubblewrap" and BWRAP is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no bubblewrap works here: install it, and allow user namespaces")
        pytest.skip("no bubblewrap works here: not installed, or user namespaces are forbidden")
    store = Shelf()
    runner: Runner
    if kind == "memory":
        runner = MemoryRunner(store, play)
    else:
        runner = HostRunner(home, store, provide, BWRAP if kind == "bubblewrap" else None)
    return Farm(runner=runner, store=store, home=home)


@pytest.fixture(params=["memory", *HOSTS])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, tmp_path)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, tmp_path)


def do(session: Session, *argv: str) -> Completed:
    return session.run(Command(argv=argv, cwd=session.layout.work, what="try it"))


def sh(session: Session, script: str) -> Completed:
    return do(session, "sh", "-c", script)


def archive(store: Shelf, *members: tuple[str, bytes, int], name: str = "p-1.tar.gz", link: str = "") -> Artifact:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content, mode in members:
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(content), mode, 1_234_567_890
            tar.addfile(info, io.BytesIO(content))
        if link:
            info = tarfile.TarInfo("p-1/link")
            info.type, info.linkname = tarfile.SYMTYPE, link
            tar.addfile(info)
    return store.put(name, io.BytesIO(packed.getvalue()))


def alive(token: str) -> list[str]:
    found = []
    for folder in Path("/proc").iterdir():
        try:
            line = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode()
        except OSError:
            continue
        if token in line:
            found.append(line)
    return found


def token(request: pytest.FixtureRequest) -> str:
    """An argument of sleep that no other process has."""
    return "300." + str(int(hashlib.sha256(f"{request.node.nodeid}{os.getpid()}".encode()).hexdigest()[:12], 16))


# ------------------------------------------------------------------------------------------------ every runner


@pytest.mark.parametrize("code", [0, 3, 126, 137, 255])
def test_the_exit_code_is_the_programs_own(farm: Farm, code: int) -> None:
    with farm.open() as session:
        completed = sh(session, f"exit {code}")
    assert (completed.ended, completed.exit_code, completed.ok) == (Ended.EXITED, code, code == 0)


def test_a_program_that_does_not_exist_is_127(farm: Farm) -> None:
    with farm.open() as session:
        completed = do(session, "no-such-program")
    assert (completed.ended, completed.exit_code) == (Ended.EXITED, 127)
    assert "no-such-program" in completed.tail[-1]


def test_output_goes_to_the_sink_and_its_end_is_kept(farm: Farm) -> None:
    with farm.open() as session:
        assert do(session, "echo", "hello", "world").tail == ("hello world",)
    assert b"".join(farm.log) == b"hello world\n"


def test_bytes_and_artifacts_go_in_and_come_out(farm: Farm) -> None:
    artifact = farm.store.put("a.whl", io.BytesIO(b"a wheel"))
    with farm.open() as session:
        layout = session.layout
        session.put(f"{layout.wheelhouse}/a.whl", artifact)
        session.put(f"{layout.scripts}/deep/er/say", b"said")
        session.put(f"{layout.scripts}/deep/er/say", b"said again")
        assert do(session, "cp", f"{layout.wheelhouse}/a.whl", f"{layout.dist}/b.whl").ok
        assert do(session, "cat", f"{layout.scripts}/deep/er/say").tail == ("said again",)
        assert session.take(f"{layout.dist}/*.whl") == (
            Artifact(name="b.whl", size=7, sha256=artifact.sha256),
        )
        assert session.take(f"{layout.dist}/*.tar.gz") == ()


def test_take_knows_shell_globs_and_sorts(farm: Farm) -> None:
    with farm.open() as session:
        work = session.layout.work
        for path in ("two/b.so", "one/a.so", "one/.hidden.so", "one/deeper/c.so", "a.so"):
            session.put(f"{work}/{path}", path.encode())
        assert [artifact.name for artifact in session.take(f"{work}/*/*.so")] == ["a.so", "b.so"]
        assert [artifact.name for artifact in session.take(f"{work}/*/.h*.so")] == [".hidden.so"]


def test_an_archive_is_unpacked_without_its_top_folder(farm: Farm) -> None:
    packed = archive(farm.store, ("p-1/setup.py", b"setup", 0o644), ("p-1/tests/t.py", b"test", 0o644))
    with farm.open() as session:
        source, work = session.layout.source, session.layout.work
        session.put(source, Archive(artifact=packed))
        session.put(work, Archive(artifact=packed, only=("tests/",)))
        assert do(session, "cat", f"{source}/setup.py").tail == ("setup",)
        assert do(session, "cat", f"{work}/tests/t.py").tail == ("test",)
        assert not do(session, "cat", f"{work}/setup.py").ok


def test_an_unsafe_archive_fails_the_package_at_prepare(farm: Farm) -> None:
    packed = archive(farm.store, ("p-1/good", b"", 0o644), ("p-1/../../bad", b"", 0o644))
    with farm.open() as session:
        with pytest.raises(StepFailed) as failed:
            session.put(session.layout.source, Archive(artifact=packed))
        assert (failed.value.step, failed.value.reason.code) == (Step.PREPARE, "archive")
        assert session.take(f"{session.layout.source}/*") == ()


@pytest.mark.parametrize("path", ["/etc/motd", "{root}/../x", "{root}", "{root}x/y", "x", "{root}/work/../../../x"])
def test_a_path_outside_is_refused(farm: Farm, path: str) -> None:
    with farm.open() as session:
        outside = path.format(root=session.layout.root)
        with pytest.raises(FarmError, match="not inside"):
            session.put(outside, b"")
        with pytest.raises(FarmError, match="not inside"):
            session.take(outside)


def test_the_log_limit_is_named_and_kept(farm: Farm) -> None:
    with farm.open(Limits(log=100, wall=20)) as session:
        assert do(session, "echo", "x" * 60).ok
        assert do(session, "echo", "y" * 60).ended is Ended.LOG
    assert b"".join(farm.log) == b"x" * 60 + b"\n" + b"y" * 39


def test_a_session_that_was_told_to_stop_runs_nothing_more(farm: Farm) -> None:
    with farm.open(stop=lambda: True) as session:
        assert do(session, "echo", "hello").ended is Ended.STOPPED


def test_two_sessions_do_not_see_each_other(farm: Farm) -> None:
    with farm.open() as one, farm.open() as other:
        one.put(f"{one.layout.work}/secret", b"secret")
        assert do(one, "cat", f"{one.layout.work}/secret").ok
        assert not do(other, "cat", f"{other.layout.work}/secret").ok


def test_the_layout_is_below_the_root(farm: Farm) -> None:
    with farm.open() as session:
        layout = session.layout
        places = (layout.source, layout.wheelhouse, layout.dist, layout.repaired, layout.venv, layout.scripts, layout.work)
        assert [Path(place).relative_to(layout.root).as_posix() for place in places] == [
            *("source", "wheelhouse", "dist", "repaired", "venv", "scripts", "work")
        ]


def test_an_error_in_the_story_comes_through(farm: Farm) -> None:
    with pytest.raises(KeyError), farm.open() as session:
        session.put(f"{session.layout.work}/x", b"")
        raise KeyError
    assert list(farm.home.glob("sessions/*")) == []


# ------------------------------------------------------------------------------------------------ real processes


def test_a_signal_is_a_negative_exit_code(host: Farm) -> None:
    with host.open() as session:
        assert sh(session, "kill -SEGV $$").exit_code == -signal.SIGSEGV
        assert sh(session, "kill -KILL $$").exit_code == -signal.SIGKILL


def test_what_cannot_be_started_is_126(host: Farm) -> None:
    with host.open() as session:
        assert do(session, "/etc/passwd").exit_code == 126
        nowhere = session.run(Command(argv=("true",), cwd=f"{session.layout.work}/nowhere", what="try it"))
    assert nowhere.exit_code == 126
    assert "nowhere" in nowhere.tail[-1]


def test_argv_is_no_shell(host: Farm) -> None:
    with host.open() as session:
        assert do(session, "printf", "%s\n", "$HOME; *", "").tail == ("$HOME; *",)
        assert do(session, "exit", "0").exit_code == 127


def test_output_is_live(host: Farm) -> None:
    seen: list[tuple[float, bytes]] = []
    with host.open() as session:
        host.log.append = lambda chunk: seen.append((time.monotonic(), chunk))  # type: ignore[method-assign]
    with make_again(host, seen) as session:
        sh(session, "echo first; sleep 0.4; echo second >&2")
    assert b"".join(chunk for _, chunk in seen) == b"first\nsecond\n"
    assert seen[-1][0] - seen[0][0] > 0.3
