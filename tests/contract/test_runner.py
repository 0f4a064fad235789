"""What every ``Runner`` promises: in memory, on this machine without isolation, in bubblewrap, and in containers.

Where it is about all of them, commands are ones that memory can play: ``echo``, ``cat``, ``cp``, ``sh -c 'exit N'``.
"""

from __future__ import annotations

import hashlib
import io
import os
import shlex
import signal
import socket
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import IO

import pytest
from docker.models.containers import Container

from buildfarm.adapters.container import command, fetch, labels
from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.inside.warden import DEADLINE
from buildfarm.adapters.container.labels import FARM
from buildfarm.adapters.container.provision import Provision as ContainerProvision
from buildfarm.adapters.container.runner import ContainerRunner
from buildfarm.adapters.container.stream import Stream
from buildfarm.adapters.host import bubblewrap, cgroup
from buildfarm.adapters.host.disk import Disk
from buildfarm.adapters.host.provision import Provision
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.memory_runner import MemoryRunner
from buildfarm.adapters.owners import LocalOwners
from buildfarm.model.errors import FarmError, StepFailed
from buildfarm.model.job import Environment
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Archive, Command, Completed, Ended, Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Runner, Session

EPOCH = 1_000_000_000
PYTHON = "/usr/bin/python3"
NOTHING = Provision(python=PYTHON)
MTIME = 1_234_567_890
BWRAP = bubblewrap.find(os.environ.get("PATH", os.defpath))
PARENTS = cgroup.find(Path("/proc"))
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

    def remove(self, sha256: str) -> None:
        self.kept.pop(sha256, None)


@dataclass
class Farm:
    """A runner, its store and home, and what its sessions wrote."""

    runner: Runner
    store: Shelf
    home: Path
    engine: Engine | None = None
    heard: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def log(self) -> bytes:
        return b"".join(chunk for _, chunk in self.heard)

    def hear(self, chunk: bytes) -> None:
        self.heard.append((time.monotonic(), chunk))

    def left(self) -> list[object]:
        """What is there of sessions."""
        found: list[object] = list(self.home.glob("sessions/*"))
        if self.engine:
            filters = {"label": [f"{FARM}={self.home}"]}
            found += self.engine.client.api.containers(all=True, filters=filters)
            found += self.engine.client.api.volumes(filters=filters)["Volumes"] or []
        return found

    def open(
        self, limits: Limits | None = None, stop: Callable[[], bool] = lambda: False, owner: str = "us"
    ) -> AbstractContextManager[Session]:
        limits = limits or Limits(wall=20, silence=10)
        spec = SessionSpec(
            attempt="attempt", owner=owner, purpose=Purpose.TEST, environment=ENVIRONMENT, limits=limits, epoch=EPOCH
        )
        return self.runner.open(spec, self.hear, stop)


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
        case ("sh", "-c", script) if script.startswith("exit "):
            return int(shlex.split(script)[1]), b""
        case ("cat", path):
            return 1, path.encode() + b": No such file\n"
        case _:
            return 127, command.argv[0].encode() + b": not found\n"


CONTAINER = pytest.param("container", marks=pytest.mark.engine, id="container")
HOSTS = [pytest.param(each, marks=pytest.mark.host, id=each) for each in ("plain", "bubblewrap")]


def make(kind: str, home: Path, given: Provision = NOTHING, parents: tuple[cgroup.Parent, ...] = ()) -> Farm:
    if kind == "bubblewrap" and BWRAP is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no bubblewrap works here: install it, and allow user namespaces")
        pytest.skip("no bubblewrap works here: not installed, or user namespaces are forbidden")
    tools = home.parent / "tools"  # copied once for all tests
    tools.mkdir(exist_ok=True)
    (home / "tools").symlink_to(tools)
    store = Shelf()
    runner: Runner
    if kind == "memory":
        runner = MemoryRunner(store, play)
    else:
        runner = HostRunner(home, store, lambda _: nullcontext(given), BWRAP if kind == "bubblewrap" else None, parents)
    return Farm(runner=runner, store=store, home=home)


def contain(home: Path, engine: Engine, image: str) -> Farm:
    store = Shelf()
    python = "/opt/python/cp313-cp313/bin/python3"
    given = ContainerProvision(image=image, python=python, interpreter=python)
    runner = ContainerRunner(engine=engine, store=store, provide=lambda *_: nullcontext(given), farm=str(home))
    return Farm(runner=runner, store=store, home=home, engine=engine)


def any_farm(request: pytest.FixtureRequest, home: Path) -> Farm:
    """The one that the parameter of the request names."""
    if request.param == "container":
        image = request.getfixturevalue("image")("debian11-test")
        return contain(home, request.getfixturevalue("engine"), image)
    return make(request.param, home)


@pytest.fixture(params=["memory", *HOSTS, CONTAINER])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return any_farm(request, tmp_path)


@pytest.fixture(params=[*HOSTS, CONTAINER])
def real(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return any_farm(request, tmp_path)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, tmp_path)


@pytest.fixture
def container(tmp_path: Path, engine: Engine, image: Callable[[str], str]) -> Farm:
    return contain(tmp_path, engine, image("debian11-test"))


@pytest.fixture(params=["polled", "cgroup"])
def parents(request: pytest.FixtureRequest) -> tuple[cgroup.Parent, ...]:
    """What holds the limits: nothing, or the control groups that are to be had here."""
    if request.param == "cgroup" and not PARENTS:
        pytest.skip("no control group is ours here")
    return PARENTS if request.param == "cgroup" else ()


@pytest.fixture(params=HOSTS)
def held(request: pytest.FixtureRequest, tmp_path: Path, parents: tuple[cgroup.Parent, ...]) -> Farm:
    return make(request.param, tmp_path, parents=parents)


@pytest.fixture(
    params=[
        pytest.param((held, kind.values[0]), marks=kind.marks, id=f"{kind.id}-{held}")
        for held in ("polled", "cgroup")
        for kind in HOSTS
    ]
    + [pytest.param(("container", "container"), marks=pytest.mark.engine, id="container")]
)
def limited(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    """Every way in which limits are held."""
    how, kind = request.param
    if how == "container":
        return contain(tmp_path, request.getfixturevalue("engine"), request.getfixturevalue("image")("debian11-test"))
    if how == "cgroup" and not PARENTS:
        pytest.skip("no control group is ours here")
    return make(kind, tmp_path, parents=PARENTS if how == "cgroup" else ())


def groups(farm: Farm) -> list[Path]:
    """The control groups of the sessions that are open."""
    names = [path.stem for path in farm.home.glob("sessions/*.owner")]
    return [path for parent in PARENTS for name in names if (path := parent.folder / f"buildfarm-{name}").exists()]


def do(session: Session, *argv: str) -> Completed:
    return session.run(Command(argv=argv, cwd=session.layout.work, what="try it"))


def sh(session: Session, script: str) -> Completed:
    return do(session, "sh", "-c", script)


def archive(store: Shelf, *members: tuple[str, bytes, int], name: str = "p-1.tar.gz", link: str = "") -> Artifact:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for path, content, mode in members:
            info = tarfile.TarInfo(path)
            info.size, info.mode, info.mtime = len(content), mode, MTIME
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
    assert farm.log == b"hello world\n"


def test_bytes_and_artifacts_go_in_and_come_out(farm: Farm) -> None:
    artifact = farm.store.put("a.whl", io.BytesIO(b"a wheel"))
    with farm.open() as session:
        layout = session.layout
        session.put(f"{layout.wheelhouse}/a.whl", artifact)
        session.put(f"{layout.scripts}/deep/er/say", b"said")
        session.put(f"{layout.scripts}/deep/er/say", b"said again")
        assert do(session, "cp", f"{layout.wheelhouse}/a.whl", f"{layout.dist}/b.whl").ok
        assert do(session, "cat", f"{layout.scripts}/deep/er/say").tail == ("said again",)
        assert session.take(f"{layout.dist}/*.whl") == (Artifact(name="b.whl", size=7, sha256=artifact.sha256),)
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
    assert farm.log == b"x" * 60 + b"\n" + b"y" * 39


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
        for name in ("source", "wheelhouse", "dist", "repaired", "venv", "scripts", "work"):
            assert getattr(layout, name) == f"{layout.root}/{name}"


def test_an_error_in_the_story_comes_through(farm: Farm) -> None:
    def story() -> None:
        with farm.open() as session:
            session.put(f"{session.layout.work}/x", b"")
            raise KeyError

    with pytest.raises(KeyError):
        story()
    assert farm.left() == []


# ------------------------------------------------------------------------------------------------ real processes


def test_a_signal_is_a_negative_exit_code(real: Farm) -> None:
    with real.open() as session:
        assert sh(session, "kill -SEGV $$").exit_code == -signal.SIGSEGV
        assert sh(session, "kill -KILL $$").exit_code == -signal.SIGKILL


def test_what_cannot_be_started_is_126(real: Farm) -> None:
    with real.open() as session:
        assert do(session, "/etc/passwd").exit_code == 126
        nowhere = session.run(Command(argv=("true",), cwd=f"{session.layout.work}/nowhere", what="try it"))
    assert nowhere.exit_code == 126
    assert "nowhere" in nowhere.tail[-1]


def test_argv_is_no_shell(real: Farm) -> None:
    with real.open() as session:
        assert do(session, "printf", "%s\n", "$HOME; *", "").tail == ("$HOME; *",)
        assert do(session, "exit", "0").exit_code == 127


def test_output_is_live(real: Farm) -> None:
    with real.open() as session:
        sh(session, "echo first; sleep 0.4; echo second >&2")
    assert real.log == b"first\nsecond\n"
    assert real.heard[-1][0] - real.heard[0][0] > 0.3


def test_output_is_whole_and_its_tail_is_short(real: Farm) -> None:
    with real.open() as session:
        completed = sh(session, "seq 100000; printf '10%%\\r50%%\\r100%%\\n'; printf '\\377end'")
    assert real.log.startswith("".join(f"{number}\n" for number in range(1, 100_001)).encode())
    assert completed.tail[-3:] == ("100000", "100%", "\N{REPLACEMENT CHARACTER}end")
    assert len(completed.tail) == 60


def test_the_environment_is_clean(real: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "do not tell")
    with real.open() as session:
        root = session.layout.root
        session.run(
            Command(argv=("env",), cwd=session.layout.work, what="try it", env={"GREETING": "a b\nc", "TZ": "CET"})
        )
        lines = real.log.decode().replace("a b\nc", "a b c").splitlines()
        found = dict(line.split("=", 1) for line in lines)
        assert sh(session, 'test -z "$(cat)"; umask').tail == ("0022",)
        assert sh(session, 'touch "$HOME/x" "$TMPDIR/x"').ok
    assert found.pop("PATH").startswith(f"{root}/venv/bin:")
    assert found.pop("BUILDFARM_SESSION")
    assert found.pop("BUILDFARM_SESSION_ROOT", root) == root
    assert found == {
        "GREETING": "a b c",
        "HOME": f"{root}/home",
        "LANG": "C.UTF-8",
        "LC_ALL": "C.UTF-8",
        "PWD": f"{root}/work",
        "PYTHONHASHSEED": "0",
        "SOURCE_DATE_EPOCH": str(EPOCH),
        "TMPDIR": f"{root}/tmp",
        "TZ": "CET",
    }


def test_no_descriptor_leaks_in(real: Farm) -> None:
    with Path(os.devnull).open() as mine, real.open() as session:
        os.set_inheritable(mine.fileno(), True)
        assert do(session, "ls", "/proc/self/fd").tail == ("0", "1", "2", "3"), "3 is that of ls itself"


def test_no_compiler_is_found(real: Farm) -> None:
    tools = "cc c89 c99 gcc g++ c++ clang clang++ cpp tcc zig rustc go as ld make cmake git pkg-config python python3"
    with real.open() as session:
        assert sh(session, f"for tool in {tools}; do command -v $tool; done; true").tail == ()
        assert sh(session, "command -v sh sed awk grep find tar gzip env perl && ldd --version").ok


def test_the_wall_limit_is_that_of_the_session(real: Farm) -> None:
    wall = 8 if real.engine else 0.8  # an engine takes its time
    with real.open(Limits(wall=wall, silence=10)) as session:
        began = time.monotonic()
        assert do(session, "sleep", "0.3").ok
        assert do(session, "sleep", "30").ended is Ended.WALL
        assert time.monotonic() - began < wall + 2.2


def test_the_silence_limit_is_named(real: Farm) -> None:
    with real.open(Limits(wall=20, silence=1.5 if real.engine else 0.5)) as session:
        assert sh(session, "for n in 1 2 3; do sleep 0.2; echo $n; done").ok
        assert sh(session, "echo 4; sleep 30").ended is Ended.SILENCE
    assert real.log == b"1\n2\n3\n4\n"


def test_endless_output_ends(real: Farm) -> None:
    with real.open(Limits(log=1_000_000, wall=20)) as session:
        assert do(session, "yes").ended is Ended.LOG
    assert len(real.log) == 1_000_000


def test_a_file_cannot_grow_beyond_the_disk_limit(real: Farm) -> None:
    with real.open(Limits(disk=100_000, wall=20)) as session:
        assert sh(session, "ulimit -c").tail == ("0",)
        done = sh(session, "head -c 200000 /dev/zero >big; wc -c <big; exit 1")
        assert (done.ended, done.tail[-1]) == (Ended.DISK, "100000")


@pytest.mark.host
@pytest.mark.slow
def test_the_disk_limit_is_that_of_all_files_together(real: Farm) -> None:
    write = "for n in $(seq 40); do head -c 1000000 /dev/zero >$TMPDIR/$n; done; mkdir -p deep/er; mv $TMPDIR/? deep/er"
    with real.open(Limits(disk=60_000_000, wall=60)) as session:
        assert sh(session, write).ok
        done = sh(session, f"TMPDIR=$HOME; {write}; sleep 50")
    assert done.ended is Ended.DISK
    assert done.seconds < (40 if real.engine else 10)
    assert done.excess
    assert done.excess.used > done.excess.limit == 60_000_000


def test_a_full_disk_is_nobodys_fault(host: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("buildfarm.adapters.host.session.Disk", partial(Disk, reserve=1 << 60))
    with host.open() as session, pytest.raises(FarmError, match=r"try it: the disk of .* is full: .* are kept free"):
        do(session, "sleep", "30")


EAT = "$x = 'x' x 100_000_000"  # perl holds it twice


@pytest.mark.host
@pytest.mark.slow
def test_the_memory_limit_is_that_of_all_processes_together(limited: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    with limited.open(Limits(memory=300 << 20, wall=60)) as session:
        assert do(session, "perl", "-e", f"{EAT}; sleep 1").ok
        eat = f"env -i setsid perl -e '{EAT}; sleep 30' {napping}"
        done = sh(session, f"for n in 1 2 3 4; do {eat} & done; sleep {napping}")
        assert done.ended is Ended.MEMORY
        assert alive(napping) == []
    assert done.seconds < (40 if limited.engine else 10)
    assert done.excess
    assert done.excess.used >= done.excess.limit == 300 << 20


@pytest.mark.host
@pytest.mark.slow
def test_memory_that_processes_share_counts_once(limited: Farm) -> None:
    with limited.open(Limits(memory=300 << 20, wall=20)) as session:
        done = do(session, "perl", "-e", f"{EAT}; fork for 1..3; sleep 1")
    assert done.ok
    assert done.memory > 100_000_000


# Flat, and with an end of its own: were it not stopped, the machine would bear it.
FORKS = """
for (1..300) {
    my $child = fork;
    die "refused\n" unless defined $child;
    exec "setsid", "sleep", $ARGV[0] unless $child;
}
sleep 30;
"""


def test_a_fork_bomb_is_defused(limited: Farm, request: pytest.FixtureRequest) -> None:
    fuse = token(request)
    with limited.open(Limits(pids=100, wall=60)) as session:
        done = do(session, "perl", "-e", FORKS, fuse)
        assert done.ended is Ended.PIDS
        assert alive(fuse) == []
        assert do(session, "echo", "hello").ok
    assert done.seconds < (40 if limited.engine else 15)
    assert done.excess
    assert done.excess.used >= done.excess.limit == 100


@pytest.mark.host
@pytest.mark.slow
def test_processor_time_is_that_of_the_session_and_of_ended_children(limited: Farm) -> None:
    burn = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done"
    with limited.open(Limits(cpu=1, wall=60)) as session:
        first = sh(session, burn)
        assert first.ok
        assert 0 < first.cpu < 1
        assert sh(session, f"while :; do sh -c '{burn}'; done").ended is Ended.CPU
        assert sh(session, "sleep 30").ended is Ended.CPU, "nothing is left of it"


def test_processors_are_as_many_as_asked_for(limited: Farm) -> None:
    there = len(os.sched_getaffinity(0))
    for asked, found in ((1, 1), (0.5, 1), (1.5, min(2, there)), (10_000, there)):
        with limited.open(Limits(cpus=asked, wall=20)) as session:
            assert do(session, "nproc").tail == (str(found),)


def test_the_kernel_ends_a_session_before_the_farm(real: Farm) -> None:
    with real.open() as session:
        assert do(session, "cat", "/proc/self/oom_score_adj").tail == ("1000",)


def test_stop_ends_a_running_command_soon(real: Farm) -> None:
    stop = threading.Event()
    with real.open(stop=stop.is_set) as session:
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        assert sh(session, "trap '' TERM; sleep 30").ended is Ended.STOPPED
        assert time.monotonic() - began < 3


def test_no_child_outlives_the_command(real: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    daemon = f"exec </dev/null >/dev/null 2>&1; sleep {napping} & sleep {napping}"
    with real.open() as session:
        began = time.monotonic()
        assert sh(session, f"sleep {napping} & setsid sh -c '{daemon}' & env -i setsid sh -c '{daemon}' & echo bye").ok
        assert time.monotonic() - began < 3
        assert alive(napping) == []
    assert real.log == b"bye\n"


def test_no_child_outlives_a_limit(real: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    with real.open(Limits(wall=0.6, silence=10)) as session:
        command = f"env -i setsid sh -c 'sleep {napping} & sleep {napping}' & sleep {napping}"
        assert sh(session, command).ended is Ended.WALL
        assert alive(napping) == []


def test_no_child_outlives_an_error_in_the_sink(real: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)

    def full(chunk: bytes) -> None:
        raise OSError(chunk)

    real.hear = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="hello"), real.open() as session:
        sh(session, f"setsid sleep {napping} & echo hello; sleep {napping}")
    assert alive(napping) == []


def test_an_end_that_nobody_saw_is_the_farms_fault(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    farm = make("plain", tmp_path)
    with farm.open() as session:
        with pytest.raises(FarmError, match="could not try it: how the command ended is not known"):
            sh(session, f"setsid sleep {napping} & kill -KILL $PPID; sleep {napping}")
        assert alive(napping) == []
        assert do(session, "echo", "hello").ok


@pytest.mark.host
def test_a_sandbox_that_fails_is_the_farms_fault(tmp_path: Path) -> None:
    farm = make("bubblewrap", tmp_path, Provision(python=PYTHON, readable=(f"{tmp_path}/absent",)))
    with farm.open() as session, pytest.raises(FarmError, match=r"try it: the sandbox failed: bwrap: .*absent"):
        do(session, "true")


def test_files_are_dated_and_executable_as_their_archive_says(real: Farm) -> None:
    script = b"#!/bin/sh\necho ran"
    packed = archive(real.store, ("p-1/configure", script, 0o777), ("p-1/data", b"", 0o666), link="data")
    with real.open() as session:
        source = session.layout.source
        session.put(source, Archive(artifact=packed))
        session.put(f"{source}/patched", b"")
        assert do(session, f"{source}/configure").tail == ("ran",)
        described = sh(session, f"cd {source} && stat -c '%n %a %Y' configure data patched && readlink link").tail
    assert described == (f"configure 755 {MTIME}", f"data 644 {MTIME}", f"patched 644 {EPOCH}", "data")


def test_links_that_a_command_left_are_not_followed(real: Farm, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.so").write_text("secret")
    with real.open() as session:
        work = session.layout.work
        assert sh(session, f"mkdir real && touch real/a.so && ln -s {outside} away").ok
        assert sh(session, f"ln -s {outside}/secret.so real/b.so && mkfifo real/c.so && mkdir real/d.so").ok
        assert sh(session, f"ln -s {outside}/victim victim").ok
        assert [artifact.name for artifact in session.take(f"{work}/*/*.so")] == ["a.so"]
        with pytest.raises(FarmError, match="away"):
            plant(session)
        session.put(f"{work}/victim", b"mine")
        assert do(session, "cat", f"{work}/victim").tail == ("mine",)
    assert sorted(path.name for path in outside.iterdir()) == ["secret.so"]


def test_a_name_that_is_no_text_is_the_packages_failure(real: Farm) -> None:
    with real.open() as session:
        assert sh(session, r"touch $(printf '\377.whl')").ok
        with pytest.raises(StepFailed, match=r"a name that is not UTF-8: \\xff\.whl") as failed:
            session.take(f"{session.layout.work}/*.whl")
    assert (failed.value.step, failed.value.reason.code) == (Step.TEST, "no-answer")


def plant(session: Session) -> None:
    """Through a link that a command has left; a session may put what it was given when it is wanted."""
    session.put(f"{session.layout.work}/away/planted", b"")
    do(session, "true")


def test_the_folder_goes_however_it_was_left(real: Farm) -> None:
    with real.open() as session:
        assert sh(session, "mkdir -p a/b/c && touch a/b/c/d && chmod 0 a/b/c && chmod 500 a a/b").ok
        assert sh(session, "long=$(printf '%0200d/' $(seq 15)) && mkdir -p $long && cd $long && mkdir -p $long").ok
    assert real.left() == []


@pytest.mark.host
@pytest.mark.slow  # the disk takes its time
def test_the_folder_goes_however_deep_it_is(real: Farm) -> None:
    with real.open() as session:
        assert sh(session, "deep=$(printf 'd/%.0s' $(seq 600)) && mkdir -p $deep && cd $deep && mkdir -p $deep").ok
    assert real.left() == []


def test_sweep_removes_what_a_killed_owner_left(
    held: Farm, parents: tuple[cgroup.Parent, ...], request: pytest.FixtureRequest
) -> None:
    host = held
    napping, owners = token(request), LocalOwners(host.home)
    victim = os.fork()
    if victim == 0:
        try:
            with owners.hold("victim"), host.open(owner="victim") as session:
                sh(session, f"setsid sleep {napping} & env -i setsid sleep {napping} & sleep {napping}")
        finally:
            os._exit(1)
    wait_for(lambda: len([line for line in alive(napping) if line.startswith("sleep")]) == 3)
    left = groups(host)
    assert len(left) == len(parents)
    assert host.runner.sweep(owners.live()) == ()
    assert host.runner.sweep(frozenset()) == (), "an owner may come after it was asked who lives"
    os.kill(victim, signal.SIGKILL)
    assert host.runner.sweep(frozenset({"victim"})) == ()
    assert len(list(host.home.glob("sessions/*"))) == 2
    wait_for(lambda: not owners.live())
    assert host.runner.sweep(owners.live()) == ("attempt",)
    assert alive(napping) == []
    assert list(host.home.glob("sessions/*")) == []
    assert not any(group.exists() for group in left)
    assert host.runner.sweep(owners.live()) == ()
    os.waitpid(victim, 0)


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_isolation_says_what_there_is(tmp_path: Path) -> None:
    with make("plain", tmp_path).open() as session:
        assert session.isolation == "none (network open), limits polled"


class TestControlGroups:
    """What only the kernel can hold a session to, where it lets us make groups with that controller."""

    @pytest.fixture(params=HOSTS)
    def farm(self, request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
        return make(request.param, tmp_path, parents=PARENTS)

    @staticmethod
    def need(controller: str) -> None:
        if not any(controller in parent.controllers for parent in PARENTS):
            pytest.skip(f"no control group with {controller} is ours here")

    def test_all_that_a_command_starts_is_inside(self, farm: Farm) -> None:
        self.need("pids")
        with farm.open() as session:
            made = groups(farm)
            (ours,) = {group.name for group in made}
            done = sh(session, "cat /proc/self/cgroup; env -i setsid sh -c '(cat /proc/self/cgroup &) ; sleep 0.2'")
            inside = [line for line in farm.log.decode().splitlines() if ":pids:" in line]
            assert done.ok
            # in a sandbox, a namespace of its own makes the group the root
            assert [line.rpartition("/")[2] for line in inside] in ([ours] * 2, [""] * 2)
            assert [(group / "cgroup.procs").read_text() for group in made] == [""] * len(PARENTS)
        assert not any(group.exists() for group in made)

    def test_what_nobody_else_would_find_ends_with_the_group(self, farm: Farm) -> None:
        self.need("pids")
        with subprocess.Popen(["sleep", "60"]) as stray:
            with farm.open():
                for group in groups(farm):
                    (group / "below").mkdir()
                    (group / "below/cgroup.procs").write_text(str(stray.pid))
            assert stray.wait(5) == -signal.SIGKILL
        assert groups(farm) == []

    def test_a_command_that_copes_with_the_limit_succeeds(self, farm: Farm) -> None:
        self.need("pids")
        cope = "for (1..60) { my $child = fork; last unless defined $child; $child or sleep(5), exit }"
        with farm.open(Limits(pids=30, wall=20)) as session:
            assert do(session, "perl", "-e", cope).ok
            failed = do(session, "perl", "-e", f"{cope} exit 3")
            assert (failed.ended, failed.exit_code) == (Ended.PIDS, 3)
            assert failed.excess
            assert (failed.excess.used, failed.excess.measured) == (30, "by cgroup")
            assert do(session, "sh", "-c", "exit 3").ended is Ended.EXITED, "an earlier refusal is no reason"

    @pytest.mark.host
    @pytest.mark.slow
    def test_half_a_processor_is_half(self, farm: Farm) -> None:
        self.need("cpu")
        with farm.open(Limits(cpus=0.5, wall=20)) as session:
            done = do(session, "perl", "-e", "my $end = time + 2; 1 while time < $end")
        assert done.ok
        assert done.cpu < 0.7 * done.seconds

    def test_a_group_that_is_gone_is_the_farms_fault(self, farm: Farm) -> None:
        self.need("pids")
        with farm.open() as session:
            for group in groups(farm):
                group.rmdir()
            with pytest.raises(FarmError, match="could not try it: how the command ended is not known"):
                do(session, "echo", "hello")
        assert farm.log.count(b"hello") == 0


@pytest.mark.host
class TestBubblewrap:
    """What only a sandbox can promise."""

    @pytest.fixture
    def farm(self, tmp_path: Path) -> Farm:
        return make("bubblewrap", tmp_path)

    def test_there_is_no_network(self, farm: Farm) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server, farm.open() as session:
            port = server.getsockname()[1]
            assert not do(session, "bash", "-c", f"exec 3<>/dev/tcp/127.0.0.1/{port}").ok
            assert session.isolation == "bubblewrap (no network), limits polled"

    def test_the_root_is_the_same_in_every_session(self, farm: Farm) -> None:
        with farm.open() as one, farm.open() as other:
            assert one.layout.root == other.layout.root == "/buildfarm"

    def test_the_system_is_read_only_and_minimal(self, farm: Farm) -> None:
        with farm.open() as session:
            assert sh(session, "ls -d /home /root /usr/include /usr/local /usr/lib/gcc/* 2>/dev/null").tail == ()
            assert not sh(session, "touch /x || touch /usr/x || touch /usr/bin/x || touch /etc/x || touch /dev/x").ok
            assert sh(session, "touch /tmp/x /dev/shm/x /var/tmp/y").ok
            assert sh(session, "id -u; id -un; hostname; grep CapEff /proc/self/status").tail == (
                *("1000", "build", "buildfarm", "CapEff:\t0000000000000000"),
            )
            assert "sleep" not in sh(session, "ps ax").tail

    def test_memory_files_are_bounded_and_those_of_tmp_are_on_the_disk(self, farm: Farm) -> None:
        with farm.open(Limits(memory=8 << 20, disk=4 << 20, wall=20)) as session:
            assert sh(session, "head -c 5000000 /dev/zero >/dev/shm/x; wc -c </dev/shm/x").tail[-1] == str(4 << 20)
            done = sh(session, "for n in 1 2 3; do head -c 2000000 /dev/zero >/tmp/$n || exit 1; done; sleep 30")
            assert done.ended is Ended.DISK

    def test_only_what_is_given_is_seen(self, tmp_path: Path) -> None:
        (tmp_path / "given").mkdir()
        (tmp_path / "given" / "tool").write_text("tool")
        (tmp_path / "cache" / "seed").mkdir(parents=True)
        (tmp_path / "private").write_text("private")
        readable = (f"{tmp_path}/given", f"{tmp_path}/cache/seed")
        given = Provision(python=PYTHON, readable=readable, writable=(f"{tmp_path}/cache",))
        with make("bubblewrap", tmp_path, given).open() as session:
            assert do(session, "cat", f"{tmp_path}/given/tool").tail == ("tool",)
            assert not do(session, "touch", f"{tmp_path}/given/new").ok
            assert do(session, "touch", f"{tmp_path}/cache/new").ok
            assert not do(session, "touch", f"{tmp_path}/cache/seed/new").ok
            assert not do(session, "cat", f"{tmp_path}/private").ok
        assert (tmp_path / "cache" / "new").exists()

    def test_an_interpreter_of_the_system_can_be_given(self, tmp_path: Path) -> None:
        if not Path(PYTHON).exists():
            pytest.skip(f"this machine has no {PYTHON}")
        with make("bubblewrap", tmp_path, Provision(python=PYTHON, readable=(PYTHON,))).open() as session:
            assert session.layout.python == PYTHON
            assert do(session, PYTHON, "-c", "import ssl, sqlite3; print('ran')").tail == ("ran",)


@pytest.mark.engine
class TestContainer:
    """What only a container can promise, and what can befall one."""

    @pytest.fixture
    def farm(self, container: Farm) -> Farm:
        return container

    def test_it_is_what_it_says(self, farm: Farm) -> None:
        with farm.open() as session:
            assert session.isolation == "container (no network), limits by cgroup, disk polled"
            assert sh(
                session, "id -u; id -g; hostname; grep -E '(CapEff|CapBnd|NoNewPrivs)' /proc/self/status"
            ).tail == (
                *("1000", "1000", "buildfarm", "CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"),
                "NoNewPrivs:\t1",
            )
            assert sh(session, "ls /sys/class/net; cat /proc/net/route | wc -l").tail == ("lo", "1")
            assert not sh(session, "touch /x || touch /usr/x || touch /etc/x || touch /dev/x").ok
            assert sh(session, "touch /tmp/x /dev/shm/x /var/tmp/y $HOME/x").ok
            assert not sh(session, "ls /var/run/docker.sock").ok

    def test_nothing_is_left_of_it(self, farm: Farm) -> None:
        with farm.open():
            assert len(farm.left()) == 2, "a container and a volume"
        assert farm.left() == []

    def test_a_command_that_kills_its_watcher_has_failed(self, farm: Farm, request: pytest.FixtureRequest) -> None:
        napping = token(request)
        with farm.open() as session:
            done = sh(session, f"echo before; sleep 1; setsid sleep {napping} & kill -KILL $PPID; sleep {napping}")
            assert (done.ended, done.exit_code) == (Ended.EXITED, -signal.SIGKILL)
            assert done.tail == ("before", "it killed the process that watched over it, and was ended")
            assert alive(napping) == []
            assert do(session, "echo", "hello").ok

    def test_a_command_that_halts_its_watcher_is_ended(self, farm: Farm, request: pytest.FixtureRequest) -> None:
        napping = token(request)
        with farm.open(Limits(wall=60, silence=2)) as session:
            assert sh(session, f"kill -STOP $PPID; sleep {napping}").ended is Ended.SILENCE
            assert alive(napping) == []
            assert do(session, "echo", "hello").ok

    def test_a_halted_watcher_is_missed_before_the_command_is_silent(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
    ) -> None:
        monkeypatch.setattr(command, "_PULSE", 5.0)
        monkeypatch.setattr(command, "_LATE", 1.0)
        napping = token(request)
        with farm.open(Limits(wall=60, silence=50)) as session:
            done = sh(session, f"kill -STOP $PPID; sleep {napping}")
            assert (done.ended, done.exit_code) == (Ended.EXITED, -signal.SIGKILL)
            assert done.tail == ("it halted the process that watched over it, and was ended",)
            assert alive(napping) == []
            assert sh(session, "sleep 7").ok, "signs of life are enough"

    def test_signs_of_life_are_no_output(self, farm: Farm) -> None:
        with farm.open(Limits(wall=60, silence=4)) as session:
            assert do(session, "sleep", "30").ended is Ended.SILENCE

    def test_a_command_cannot_speak_for_its_watcher(self, farm: Farm) -> None:
        with farm.open() as session:
            assert not sh(session, "echo '{}' >/proc/$PPID/fd/2 || cat /proc/$PPID/environ || ls /proc/$PPID/fd").ok
            assert sh(session, "cat /proc/self/environ >/dev/null && echo said >/proc/self/fd/1").ok

    def test_a_file_that_no_folder_holds_counts(self, farm: Farm) -> None:
        hidden = "import os, time\nfor name in 'abcdef':\n    file = open(name, 'wb', 0)\n    os.unlink(name)\n"
        hidden += "    os.dup(file.fileno())\n    file.write(bytes(1 << 20))\ntime.sleep(50)\n"
        with farm.open(Limits(disk=4 << 20, wall=60, silence=50)) as session:
            done = do(session, "/opt/python/cp313-cp313/bin/python3", "-c", hidden)
        assert done.ended is Ended.DISK
        assert done.excess
        assert done.excess.used >= 6 << 20

    def test_what_is_beside_the_sessions_folder_counts(self, farm: Farm) -> None:
        with farm.open(Limits(disk=4 << 20, wall=60, silence=50)) as session:
            script = "for n in 1 2 3 4 5 6; do head -c 1000000 /dev/zero >/buildfarm/r/$n; done; sleep 50"
            assert sh(session, script).ended is Ended.DISK

    def test_output_is_not_counted_on_the_disk(self, farm: Farm) -> None:
        with farm.open(Limits(disk=4 << 20, wall=60)) as session:
            assert sh(session, "head -c 6000000 /dev/zero; sleep 2").ok
            assert sh(session, "sleep 2").ok

    def test_more_files_than_a_process_may_have_open(self, farm: Farm) -> None:
        with farm.open(Limits(wall=60)) as session:
            assert sh(session, "seq -f f%g 4500 | xargs touch").ok
            assert len(session.take(f"{session.layout.work}/f*")) == 4500

    def test_what_is_sent_for_files_is_bounded(self, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(fetch, "_TAKE", "import os\nwhile True: os.write(1, bytes(65536))")
        with farm.open(Limits(disk=1 << 20, wall=60)) as session, pytest.raises(StepFailed, match="more than"):
            session.take(f"{session.layout.work}/file")

    def test_a_fault_of_the_engine_does_not_hide_why_it_ended(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def lose(_: Stream) -> int | None:
            raise OSError("lost")

        monkeypatch.setattr(Stream, "exit_code", lose)
        with farm.open(Limits(log=100, wall=60)) as session:
            assert sh(session, "head -c 1000 /dev/zero; sleep 30").ended is Ended.LOG
        assert farm.log == bytes(100)

    def test_a_result_that_the_command_planted_is_not_believed(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        planted = '{"code": 0, "left": 0, "ooms": 0, "kept": 0, "memory": 0, "peak": 0, "cpu": 0, "used": 0, "free": 0,'
        planted += ' "broken": ""}'
        heard = Stream.hear

        def lose(stream: Stream, seconds: float) -> tuple[int, bytes] | None:
            piece = heard(stream, seconds)
            if piece and b"first" in piece[1]:
                stream._connection.close()
            return piece

        with farm.open(Limits(wall=60)) as session:
            monkeypatch.setattr(Stream, "hear", lose)
            plant = f"cd /buildfarm/r; for log in *.log; do echo '{planted}' >${{log%.log}}.json; done"
            assert sh(session, f"{plant}; echo first; sleep 3; exit 3").exit_code == 3

    def test_memory_that_was_out_before_is_no_reason(self, farm: Farm) -> None:
        with farm.open(Limits(memory=64 << 20, wall=60)) as session:
            eat = do(session, "/opt/python/cp313-cp313/bin/python3", "-c", "bytearray(200 << 20)")
            assert eat.ended is Ended.MEMORY
            ending = threading.Timer(1, self._containers(farm)[0].kill)
            ending.start()
            with pytest.raises(FarmError, match="its container was ended from outside"):
                do(session, "sleep", "30")

    def test_sweep_removes_what_ended_by_itself_on_another_machine(
        self, farm: Farm, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("buildfarm.adapters.container.runner.GRACE", 1)
        monkeypatch.setattr(labels, "host", lambda: "another")
        with farm.open(Limits(wall=1, silence=1)):
            monkeypatch.undo()
            (container,) = self._containers(farm)
            assert farm.runner.sweep(frozenset()) == (), "it runs"
            assert container.wait(timeout=30)["StatusCode"] == DEADLINE
            assert farm.runner.sweep(frozenset({"us"})) == ()
            assert farm.runner.sweep(frozenset()) == ("attempt",)
            assert farm.left() == []

    def test_the_first_process_cannot_be_ended_from_inside(self, farm: Farm) -> None:
        with farm.open() as session:
            assert not sh(session, "kill -TERM 1; kill -KILL 1; kill -ABRT 1; cat /proc/1/environ").ok
            assert do(session, "echo", "hello").ok

    def test_a_container_that_is_ended_from_outside_is_the_farms_fault(self, farm: Farm) -> None:
        with farm.open() as session:
            ending = threading.Timer(1, self._containers(farm)[0].kill)
            ending.start()
            with pytest.raises(FarmError, match="could not try it: its container was ended from outside"):
                do(session, "sleep", "30")
        assert farm.left() == []

    def test_a_container_that_is_gone_is_the_farms_fault(self, farm: Farm) -> None:
        with farm.open() as session:
            ending = threading.Timer(1, lambda: self._containers(farm)[0].remove(force=True))
            ending.start()
            with pytest.raises(FarmError, match=r"could not try it: .* how the command ended is not known"):
                do(session, "sleep", "30")
        assert farm.left() == []

    def test_a_lost_stream_loses_nothing(self, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
        heard = Stream.hear

        def lose(stream: Stream, seconds: float) -> tuple[int, bytes] | None:
            piece = heard(stream, seconds)
            if piece and b"first" in piece[1]:
                stream._connection.close()
            return piece

        with farm.open() as session:
            monkeypatch.setattr(Stream, "hear", lose)
            done = sh(session, "echo first; sleep 2; echo second; exit 3")
            assert (done.ended, done.exit_code, done.tail) == (Ended.EXITED, 3, ("first", "second"))
            assert do(session, "echo", "third").tail == ("third",)
        assert farm.log == b"first\nsecond\nthird\n"

    def test_it_ends_by_itself_when_nobody_looks_after_it(self, farm: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("buildfarm.adapters.container.runner.GRACE", 1)
        with farm.open(Limits(wall=2, silence=1)):
            (container,) = self._containers(farm)
            assert container.wait(timeout=30)["StatusCode"] == DEADLINE

    def test_orphans_are_buried(self, farm: Farm) -> None:
        with farm.open() as session:
            assert (
                sh(
                    session, "for n in 1 2 3; do (sh -c 'exit 0' &) ; done; sleep 0.5; grep -l zombie /proc/*/status"
                ).tail
                == ()
            )

    def test_caches_of_the_image_are_copied_with_their_times(self, farm: Farm) -> None:
        runner = farm.runner
        assert isinstance(runner, ContainerRunner)
        given = replace(runner._provide(None, bool).__enter__(), caches={"/usr/share/zoneinfo": "cache/zones"})  # type: ignore[arg-type]
        runner._provide = lambda *_: nullcontext(given)
        with farm.open() as session:
            script = "cd ../cache/zones && touch new && stat -c %Y UTC /usr/share/zoneinfo/UTC"
            times = sh(session, script).tail
            assert len(times) == 2
            assert times[0] == times[1]
            assert sh(session, "ls ../cache/zones/new").ok, "only once"

    def test_files_larger_than_the_limit_are_not_fetched(self, farm: Farm) -> None:
        with farm.open(Limits(disk=1 << 20, wall=60)) as session:
            assert sh(session, "for n in 1 2 3; do truncate -s 900K sparse.$n; done").ok
            with pytest.raises(StepFailed, match=r"sparse\.\* is 2.6 MiB, more than the session may have"):
                session.take(f"{session.layout.work}/sparse.*")
            (taken,) = session.take(f"{session.layout.work}/sparse.1")
            assert taken.size == 900 << 10

    def test_sweep_removes_what_a_killed_owner_left(self, farm: Farm, request: pytest.FixtureRequest) -> None:
        napping, owners = token(request), LocalOwners(farm.home)
        victim = subprocess.Popen(
            [sys.executable, "-c", _VICTIM, str(farm.home), self._image(farm), napping], cwd=Path(__file__).parents[2]
        )
        with victim:
            try:
                wait_for(lambda: len(alive(f"sleep {napping}")) > 0, seconds=60)
                assert farm.runner.sweep(owners.live()) == ()
                assert farm.runner.sweep(frozenset()) == (), "an owner may come after it was asked who lives"
            finally:
                victim.kill()
        assert farm.runner.sweep(frozenset({"victim"})) == ()
        assert len(farm.left()) == 2
        wait_for(lambda: not owners.live())
        assert farm.runner.sweep(owners.live()) == ("attempt",)
        assert alive(napping) == []
        assert farm.left() == []
        assert farm.runner.sweep(owners.live()) == ()

    @staticmethod
    def _containers(farm: Farm) -> list[Container]:
        assert farm.engine
        return farm.engine.client.containers.list(filters={"label": [f"{FARM}={farm.home}"]})

    @staticmethod
    def _image(farm: Farm) -> str:
        assert isinstance(farm.runner, ContainerRunner)
        with farm.runner._provide(None, bool) as given:  # type: ignore[arg-type]
            return given.image


_VICTIM = """
import importlib.util, os, pathlib, sys
from buildfarm.adapters.container import engine
from buildfarm.adapters.owners import LocalOwners
spec = importlib.util.spec_from_file_location("test_runner", "tests/contract/test_runner.py")
tests = importlib.util.module_from_spec(spec)
sys.modules["test_runner"] = tests
spec.loader.exec_module(tests)
home, image, napping = sys.argv[1:]
farm = tests.contain(pathlib.Path(home), engine.find(os.environ), image)
with LocalOwners(farm.home).hold("victim"), farm.open(owner="victim") as session:
    tests.sh(session, f"setsid sleep {napping} & sleep {napping}")
"""
