"""An engine that is reached as one on another machine is, over TLS and by ssh: it sees no file of ours.

It is Docker's, in a network namespace of its own. What stands between carries bytes and understands none; of ssh it is
Docker's own end (``docker system dial-stdio``), without the way there.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import gc
import os
import shutil
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.memory import MemoryStore
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Command, Ended
from tests.conftest import cannot
from tests.e2e.test_engine_faults import SPEC, Daemon, left, machine, runner  # noqa: F401 - machine is a fixture

pytestmark = [
    pytest.mark.engine,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # what Docker's client leaves open
]

NEW_NETWORK = 0x40000000  # CLONE_NEWNET
SET_FLAGS = 0x8914  # SIOCSIFFLAGS
INNER = 2376


def certificates(folder: Path) -> None:
    """An authority, and what it has signed for the engine and for us, by the names that Docker's client looks for."""
    openssl = shutil.which("openssl") or cannot("no openssl is here (apt-get install openssl)")

    def call(*words: str) -> None:
        subprocess.run([openssl, *words], cwd=folder, check=True, capture_output=True)

    key = ("-newkey", "rsa:2048", "-nodes", "-days", "2")
    call("req", "-x509", *key, "-subj", "/CN=authority", "-keyout", "ca-key.pem", "-out", "ca.pem")
    for name, use in (("server", "subjectAltName=IP:127.0.0.1"), ("", "extendedKeyUsage=clientAuth")):
        cert, private = (f"{name}-{each}".strip("-") for each in ("cert.pem", "key.pem"))
        (folder / "extensions").write_text(use)
        call("req", *key[:3], "-subj", f"/CN={name or 'farm'}", "-keyout", private, "-out", "request")
        signing = ("-CA", "ca.pem", "-CAkey", "ca-key.pem", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
        call("x509", "-req", "-in", "request", *signing, "-out", cert)


class Bridge:
    """A port of 127.0.0.1 that leads to the same of the network of a process, byte by byte; each way ends by itself."""

    def __init__(self, pid: int) -> None:
        self._network = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._within(self._raise_loopback).close()
        threading.Thread(target=self._listen, daemon=True).start()

    def close(self) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        os.close(self._network)

    def _listen(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                outer, _ = self._listening.accept()
                inner = self._within(lambda: socket.create_connection(("127.0.0.1", INNER), timeout=10))
                inner.settimeout(None)
                threading.Thread(target=self._join, args=(outer, inner), daemon=True).start()

    def _within(self, act: Callable[[], socket.socket]) -> socket.socket:
        """A socket stays in the network in which it was made; only threads that end go there."""
        made: list[socket.socket] = []

        def go() -> None:
            if ctypes.CDLL(None, use_errno=True).setns(self._network, NEW_NETWORK):
                raise OSError(ctypes.get_errno(), "setns")
            made.append(act())

        thread = threading.Thread(target=go)
        thread.start()
        thread.join()
        return made[0]

    @staticmethod
    def _raise_loopback() -> socket.socket:
        asking = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        fcntl.ioctl(asking, SET_FLAGS, struct.pack("16sH14x", b"lo", 1))
        return asking

    @staticmethod
    def _carry(one: socket.socket, other: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
        with contextlib.suppress(OSError):
            other.shutdown(socket.SHUT_WR)

    @staticmethod
    def _join(outer: socket.socket, inner: socket.socket) -> None:
        with outer, inner:
            back = threading.Thread(target=Bridge._carry, args=(inner, outer), daemon=True)
            back.start()
            Bridge._carry(outer, inner)
            back.join()


@pytest.fixture(scope="module")
def over_tls(machine: Daemon, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:  # noqa: F811
    """The variables that lead to the engine."""
    folder = tmp_path_factory.mktemp("certificates")
    certificates(folder)
    own = ("--tlscert", f"{folder}/server-cert.pem", "--tlskey", f"{folder}/server-key.pem")
    machine.start("--host", f"tcp://127.0.0.1:{INNER}", "--tlsverify", "--tlscacert", f"{folder}/ca.pem", *own)
    assert machine.process is not None
    bridge = Bridge(machine.process.pid)
    try:
        where = f"tcp://127.0.0.1:{bridge.port}"
        yield {"DOCKER_HOST": where, "DOCKER_TLS_VERIFY": "1", "DOCKER_CERT_PATH": str(folder)}
    finally:
        bridge.close()
        machine.end()


@pytest.fixture(params=["tls", "ssh"])
def away(
    request: pytest.FixtureRequest,
    machine: Daemon,  # noqa: F811
    over_tls: dict[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Iterator[dict[str, str]]:
    """The variables that lead there in one way or the other."""
    if request.param == "tls":
        yield over_tls
        return
    (ssh := tmp_path / "ssh").write_text(f"#!/bin/sh\nexec docker --host {machine.url} system dial-stdio\n")
    ssh.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    yield {"DOCKER_HOST": "ssh://farm@elsewhere"}
    gc.collect()  # where warnings of it are not looked at


def test_files_go_there_a_command_is_heard_and_files_come_back(away: dict[str, str]) -> None:
    engine, store, heard = Engine(away), MemoryStore(), list[bytes]()
    with runner(engine, store).open(SPEC, heard.append, lambda: False) as session:
        work = session.layout.work
        session.put(f"{work}/given", os.urandom(3 << 20))
        script = "echo begun; sha256sum given >&2; head -c 2000000 /dev/zero | tr '\\0' y; cp given taken; exit 3"
        done = session.run(Command(argv=("sh", "-c", script), cwd=work, what="build"))
        (taken,) = session.take(f"{work}/taken")
    assert (done.ended, done.exit_code) == (Ended.EXITED, 3)
    assert taken.sha256.encode() in b"".join(heard)
    assert b"".join(heard).count(b"y") >= 2_000_000
    assert left(engine) == 0


CONVERSE = """
import os, sys
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.memory import MemoryStore
from buildfarm.model.session import Command
from tests.e2e.test_engine_faults import SPEC, runner
with runner(Engine(dict(os.environ)), MemoryStore()).open(SPEC, lambda _: None, lambda: False) as session:
    sys.exit(session.interact(Command(argv=("sh", "-c", sys.argv[1]), cwd=session.layout.work, what="debug")))
"""


def test_what_a_person_pipes_in_ends_and_what_comes_then_is_heard(away: dict[str, str]) -> None:
    said, script = b"said\n" * 40_000, "echo one; tr a-z A-Z; exit 4"
    done = subprocess.run(
        [sys.executable, "-c", CONVERSE, script],
        input=said,
        env={**os.environ, **away},
        capture_output=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stdout) == (4, b"one\n" + said.upper()), done.stderr


def test_who_has_no_certificate_of_theirs_is_told(over_tls: dict[str, str], tmp_path: Path) -> None:
    certificates(tmp_path)
    with pytest.raises(FarmError, match=r"no container engine answers at tcp://127\.0\.0\.1:\d+: .*(?i:certificate)"):
        Engine({**over_tls, "DOCKER_CERT_PATH": str(tmp_path)})
