"""An engine that dies, restarts, is full or has lost an image in the middle of an attempt: never a success, and nothing
is left behind.

The engine is one of the test's own, and has a network namespace to itself: a dockerd without a bridge removes docker0,
whose ever it is.
"""

from __future__ import annotations

import contextlib
import io
import os
import re
import shutil
import signal
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

from buildfarm.adapters.container import command
from buildfarm.adapters.container.engine import Engine, connect
from buildfarm.adapters.container.labels import FARM
from buildfarm.adapters.container.provision import Provision
from buildfarm.adapters.container.runner import ContainerRunner
from buildfarm.adapters.memory import MemoryBell, MemoryLog, MemoryOwners, MemorySources, MemoryStore, MemoryTree
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.farm.tick import submit, tick
from buildfarm.farm.work import Workplace, work_one
from buildfarm.model.errors import FarmError
from buildfarm.model.job import BuildRequest, Environment, Worker
from buildfarm.model.outcome import Failed
from buildfarm.model.recipe import Limits, Recipe
from buildfarm.model.session import Command, Purpose, SessionSpec, Stop
from buildfarm.model.target import Target
from buildfarm.ports import no_report
from tests.farms import farm_over

pytestmark = [
    pytest.mark.engine,
    pytest.mark.e2e,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # sockets to an engine that died
]

IMAGE = "debian11-test"
PYTHON = "/opt/python/cp313-cp313/bin/python3"
DISK = 1400 << 20  # of the engine: the image twice while it is loaded, and what is left for everybody
FARM_NAME = "engine-faults"
ENVIRONMENT = Environment(
    name=IMAGE,
    lane="container",
    target=Target.parse("cp313-manylinux_2_17_x86_64"),
    definition={"image": IMAGE},
    test_definition={"image": IMAGE},
    compilers=("zig",),
    image=IMAGE,
    test_image=IMAGE,
    native="manylinux_2_31_x86_64",
)
SPEC = SessionSpec(
    attempt="job.1",
    owner="worker",
    purpose=Purpose.BUILD,
    environment=ENVIRONMENT,
    limits=Limits(wall=120, memory=4 << 30, disk=2 << 30),
)


class Daemon:
    """A dockerd with a containerd that outlives it, as services of a machine have it, on a disk of their own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/socket"
        self.process: subprocess.Popen[bytes] | None = None
        (folder / "containerd.toml").write_text(
            f'version = 2\nroot = "{folder}/data/containerd"\nstate = "{folder}/exec/containerd"\n'
            f'disabled_plugins = ["io.containerd.grpc.v1.cri"]\n[grpc]\naddress = "{folder}/containerd"\n'
        )
        (folder / "daemon.json").write_text("{}")
        self.containerd = self._run("containerd", "--config", f"{folder}/containerd.toml")

    def start(self, *more: str) -> Engine:
        folder = self.folder
        self.process = self._run(
            *("unshare", "--net", "dockerd", "--host", self.url, "--config-file", f"{folder}/daemon.json"),
            *("--containerd", f"{folder}/containerd", "--pidfile", f"{folder}/pid"),
            *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/exec"),
            *("--bridge", "none", "--iptables=false", *more),
        )
        until = time.monotonic() + 30
        while True:
            try:
                return connect(self.url)
            except FarmError as error:
                if time.monotonic() > until or self.process.poll() is not None:
                    pytest.fail(f"{error}\n{(folder / 'log').read_text()[-3000:]}")
                time.sleep(0.1)

    def _run(self, *argv: str) -> subprocess.Popen[bytes]:
        with (self.folder / "log").open("ab") as log:
            return subprocess.Popen(argv, stdout=log, stderr=log)

    def end(self, how: signal.Signals = signal.SIGTERM) -> None:
        assert self.process is not None
        self.process.send_signal(how)
        self.process.wait(30)
        (self.folder / "pid").unlink(missing_ok=True)

    def processes(self) -> list[int]:
        """It, its containerd, and what looks after its containers."""
        found = []
        for entry in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                if os.fsencode(self.folder) in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found


@pytest.fixture(scope="module")
def machine(engine: Engine, image: Callable[[str], str]) -> Iterator[Daemon]:
    if os.geteuid() or not shutil.which("dockerd"):
        cannot = pytest.fail if os.environ.get("CI") == "true" else pytest.skip
        cannot("an engine of one's own takes root and dockerd")
    folder = Path(tempfile.mkdtemp(prefix="bf-"))  # the path of a socket is short
    (folder / "data").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={DISK}", "buildfarm", folder / "data"], check=True)
    daemon = Daemon(folder)
    try:
        own = daemon.start()
        saved = engine.client.images.get(image(IMAGE)).save()
        own.client.images.load(saved)  # type: ignore[arg-type]  # the stubs do not know that it takes a stream
        own.client.images.list()[0].tag(IMAGE)
        daemon.end()
        yield daemon
    finally:
        for process in daemon.processes():
            with contextlib.suppress(ProcessLookupError):
                os.kill(process, signal.SIGKILL)
        for each in (daemon.process, daemon.containerd):
            if each:
                each.wait(10)
        until = time.monotonic() + 10
        while daemon.processes() and time.monotonic() < until:
            time.sleep(0.1)
        for mount in reversed(mounted(folder)):
            subprocess.run(["umount", "--lazy", mount], check=False)
        shutil.rmtree(folder, ignore_errors=True)


def mounted(folder: Path) -> list[str]:
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return [line.split()[1] for line in lines if line.split()[1].startswith(f"{folder}/")]


@pytest.fixture
def daemon(machine: Daemon) -> Iterator[Daemon]:
    yield machine
    if machine.process and machine.process.poll() is None:
        machine.end()


def runner(engine: Engine, store: MemoryStore, **tools: tuple[str, ...]) -> ContainerRunner:
    def provide(_: SessionSpec, __: Stop) -> AbstractContextManager[Provision]:
        return contextlib.nullcontext(Provision(image=IMAGE, python=PYTHON, interpreter=PYTHON, tools=tools))

    return ContainerRunner(engine=engine, store=store, provide=provide, farm=FARM_NAME)


class Worked:
    """A worker in a process of its own: a sweep leaves alone what a living one has."""

    def __init__(self, work: Callable[[Connection], object]) -> None:
        def main() -> None:
            try:
                said = f"answer {work(inside)}"
            except FarmError as error:
                said = f"lost {error}"
            inside.send_bytes(said.encode())

        self.connection, inside = get_context("fork").Pipe()
        self.process = get_context("fork").Process(target=main, daemon=True)
        self.process.start()
        inside.close()
        self.output = b""

    def hear(self, what: bytes) -> None:
        """Until its command has said this."""
        while what not in self.output:
            assert self.connection.poll(30), self.output
            try:
                self.output += self.connection.recv_bytes()
            except EOFError:
                pytest.fail(f"it ended, and said {self.output!r}")

    def end(self) -> str:
        """What it came to: ``answer …``, or ``lost`` and why."""
        said = [b""]
        with contextlib.suppress(EOFError):
            while self.connection.poll(60):
                said.append(self.connection.recv_bytes())
        self.process.join(10)
        assert self.process.exitcode == 0
        *more, last = said
        self.output += b"".join(more)
        return last.decode()


def working(daemon: Daemon, script: str) -> Worked:
    """A session in which the script runs, its output heard as it comes."""

    def work(told: Connection) -> str:
        with runner(connect(daemon.url), MemoryStore()).open(SPEC, told.send_bytes, lambda: False) as session:
            done = session.run(Command(argv=("sh", "-c", script), cwd=session.layout.work, what="build"))
        return f"{done.ended} {done.exit_code}"

    return Worked(work)


def left(engine: Engine) -> int:
    """How much of ours the engine has."""
    label: dict[str, str | list[str] | bool] = {"label": f"{FARM}={FARM_NAME}"}
    containers = engine.client.containers.list(all=True, filters=label)
    return len(containers) + len(engine.client.volumes.list(filters=label))


def assert_swept(engine: Engine) -> None:
    runner(engine, MemoryStore()).sweep(frozenset())
    assert left(engine) == 0
    assert runner(engine, MemoryStore()).sweep(frozenset()) == ()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_an_engine_that_restarts_ends_the_attempt_as_lost(daemon: Daemon, how: signal.Signals) -> None:
    daemon.start()
    worked = working(daemon, "echo begun; sleep 40; exit 0")
    worked.hear(b"begun")
    daemon.end(how)
    engine = daemon.start()
    assert worked.end().startswith("lost ")
    assert_swept(engine)


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGTERM], ids=["killed", "ended"])
def test_one_that_lets_containers_live_is_asked_again(daemon: Daemon, how: signal.Signals) -> None:
    """The command went on, and its exit code and output are on the volume."""
    daemon.start("--live-restore")
    worked = working(daemon, "echo begun; sleep 4; echo meanwhile; exit 7")
    worked.hear(b"begun")
    daemon.end(how)
    time.sleep(5)
    engine = daemon.start("--live-restore")
    assert worked.end() == "answer exited 7"
    assert worked.output == b"begun\nmeanwhile\n"
    assert left(engine) == 0


def test_an_engine_that_stays_away_ends_the_attempt_as_lost(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "_RETURN", 3.0)
    daemon.start()
    worked = working(daemon, "echo begun; sleep 40; exit 0")
    worked.hear(b"begun")
    daemon.end(signal.SIGKILL)
    assert re.match("lost .*the container engine is gone", worked.end())
    engine = daemon.start()
    assert left(engine) == 2  # its container and its volume: nobody could remove them
    assert_swept(engine)


@pytest.mark.parametrize(
    "script",
    ["dd if=/dev/zero of=x bs=1M count=1900", "dd if=/dev/zero of=x bs=1M count=1900; exit 0"],
    ids=["fails", "hides it"],
)
def test_a_full_disk_of_the_engine_is_not_the_packages_fault(daemon: Daemon, script: str) -> None:
    engine = daemon.start()
    worked = working(daemon, f"echo begun; {script}")
    assert re.match("lost .*the disk of the container engine is full", worked.end())
    assert_swept(engine)


def test_a_disk_that_is_full_before_is_no_success_either(daemon: Daemon) -> None:
    engine = daemon.start()
    filler = daemon.folder / "data" / "filler"
    try:
        with contextlib.suppress(OSError), filler.open("wb") as file:
            while True:
                file.write(bytes(1 << 20))
        assert working(daemon, "exit 0").end().startswith("lost ")
    finally:
        filler.unlink()
    assert_swept(engine)


def test_an_image_that_is_gone_loses_the_attempt(daemon: Daemon) -> None:
    engine = daemon.start()
    engine.client.images.get(IMAGE).tag("kept")
    engine.client.images.remove(IMAGE)
    try:
        said = working(daemon, "exit 0").end()
    finally:
        engine.client.images.get("kept").tag(IMAGE)
    assert said.startswith("lost the container engine could not open a session")
    assert IMAGE in said
    assert_swept(engine)


def test_the_farm_tries_again_and_in_the_end_says_that_it_is_its_own_fault(daemon: Daemon) -> None:
    engine = daemon.start()
    store, database = MemoryStore(), f"sqlite:///{daemon.folder}/ledger.db"
    ledger = Ledger(database)
    farm = farm_over(
        ledger,
        store,
        MemoryTree(store),
        sources=MemorySources({"demo-1.0.tar.gz": sdist()}, store),
        owners=MemoryOwners("worker"),
        environments=lambda: (ENVIRONMENT,),
    )
    request = submit(farm, BuildRequest(recipes=(Recipe(name="demo", versions=("1.0",)),)))
    tick(farm, request)

    def work(told: Connection) -> object:
        own = Ledger(database)
        place = Workplace(
            claims=own.claims,
            runner=runner(connect(daemon.url), store, uv=("sh", "-c", "echo begun; sleep 40; exit 0")),
            store=store,
            log=Told(told),
            bell=MemoryBell(),
            report=no_report,
            quit_=lambda: False,
        )
        worker = Worker(
            name="worker", lanes=frozenset({ENVIRONMENT.lane}), environments=frozenset({ENVIRONMENT.fingerprint})
        )
        return work_one(place, worker, request.id)

    worked = Worked(work)
    worked.hear(b"begun")
    daemon.end(signal.SIGKILL)
    engine = daemon.start()
    assert worked.end() == "answer True"
    (row,) = farm.jobs.rows()
    assert row.state == "queued"
    engine.client.images.get(IMAGE).tag("kept")
    engine.client.images.remove(IMAGE)
    try:
        for _ in range(2):
            assert Worked(work).end() == "answer True"
    finally:
        engine.client.images.get("kept").tag(IMAGE)
    (row,) = farm.jobs.rows()
    assert row.state == "failed"
    assert isinstance(row.outcome, Failed)
    assert row.outcome.reason.code == "infra"
    assert_swept(engine)


class Told(MemoryLog):
    """A log that is read in another process."""

    def __init__(self, connection: Connection) -> None:
        super().__init__()
        self._connection = connection

    def append(self, attempt: str, chunk: bytes) -> None:
        self._connection.send_bytes(chunk)


def sdist() -> bytes:
    content, packed = b'[build-system]\nrequires = []\nbuild-backend = "backend"\n', io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as archive:
        info = tarfile.TarInfo("demo-1.0/pyproject.toml")
        info.size = len(content)
        archive.addfile(info, io.BytesIO(content))
    return packed.getvalue()
