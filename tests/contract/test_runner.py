"""What every ``Runner`` promises: in memory, on this machine without isolation, and in bubblewrap.

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
import tarfile
import threading
import time
from collections.abc import Callable, MutableMapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import IO

import pytest

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


@dataclass
class Farm:
    """A runner, its store and home, and what its sessions wrote."""

    runner: Runner
    store: Shelf
    home: Path
    heard: list[tuple[float, bytes]] = field(default_factory=list)

    @property
    def log(self) -> bytes:
        return b"".join(chunk for _, chunk in self.heard)

    def hear(self, chunk: bytes) -> None:
        self.heard.append((time.monotonic(), chunk))

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


HOSTS = [pytest.param("plain", id="plain"), pytest.param("bubblewrap", marks=pytest.mark.host, id="bubblewrap")]


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


@pytest.fixture(params=["memory", *HOSTS])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, tmp_path)


@pytest.fixture(params=HOSTS)
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, tmp_path)


@pytest.fixture(params=["polled", "cgroup"])
def parents(request: pytest.FixtureRequest) -> tuple[cgroup.Parent, ...]:
    """What holds the limits: nothing, or the control groups that are to be had here."""
    if request.param == "cgroup" and not PARENTS:
        pytest.skip("no control group is ours here")
    return PARENTS if request.param == "cgroup" else ()


@pytest.fixture(params=HOSTS)
def limited(request: pytest.FixtureRequest, tmp_path: Path, parents: tuple[cgroup.Parent, ...]) -> Farm:
    return make(request.param, tmp_path, parents=parents)


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
    with host.open() as session:
        sh(session, "echo first; sleep 0.4; echo second >&2")
    assert host.log == b"first\nsecond\n"
    assert host.heard[-1][0] - host.heard[0][0] > 0.3


def test_output_is_whole_and_its_tail_is_short(host: Farm) -> None:
    with host.open() as session:
        completed = sh(session, "seq 100000; printf '10%%\\r50%%\\r100%%\\n'; printf '\\377end'")
    assert host.log.startswith("".join(f"{number}\n" for number in range(1, 100_001)).encode())
    assert completed.tail[-3:] == ("100000", "100%", "\N{REPLACEMENT CHARACTER}end")
    assert len(completed.tail) == 60


def test_the_environment_is_clean(host: Farm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "do not tell")
    with host.open() as session:
        root = session.layout.root
        session.run(
            Command(argv=("env",), cwd=session.layout.work, what="try it", env={"GREETING": "a b\nc", "TZ": "CET"})
        )
        lines = host.log.decode().replace("a b\nc", "a b c").splitlines()
        found = dict(line.split("=", 1) for line in lines)
        assert sh(session, 'test -z "$(cat)"; umask').tail == ("0022",)
        assert sh(session, 'touch "$HOME/x" "$TMPDIR/x"').ok
    assert found.pop("PATH").startswith(f"{root}/venv/bin:")
    assert found.pop("BUILDFARM_SESSION")
    assert found.pop("BUILDFARM_SESSION_ROOT", "/buildfarm") == root
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


def test_no_descriptor_leaks_in(host: Farm) -> None:
    with Path(os.devnull).open() as mine, host.open() as session:
        os.set_inheritable(mine.fileno(), True)
        assert do(session, "ls", "/proc/self/fd").tail == ("0", "1", "2", "3"), "3 is that of ls itself"


def test_no_compiler_is_found(host: Farm) -> None:
    tools = "cc c89 c99 gcc g++ c++ clang clang++ cpp tcc zig rustc go as ld make cmake git pkg-config python python3"
    with host.open() as session:
        assert sh(session, f"for tool in {tools}; do command -v $tool; done; true").tail == ()
        assert sh(session, "command -v sh sed awk grep find tar gzip env perl && ldd --version").ok


def test_the_wall_limit_is_that_of_the_session(host: Farm) -> None:
    with host.open(Limits(wall=0.8, silence=10)) as session:
        began = time.monotonic()
        assert do(session, "sleep", "0.3").ok
        assert do(session, "sleep", "30").ended is Ended.WALL
    assert time.monotonic() - began < 3


def test_the_silence_limit_is_named(host: Farm) -> None:
    with host.open(Limits(wall=20, silence=0.5)) as session:
        assert sh(session, "for n in 1 2 3; do sleep 0.2; echo $n; done").ok
        assert sh(session, "echo 4; sleep 30").ended is Ended.SILENCE
    assert host.log == b"1\n2\n3\n4\n"


def test_endless_output_ends(host: Farm) -> None:
    with host.open(Limits(log=1_000_000, wall=20)) as session:
        assert do(session, "yes").ended is Ended.LOG
    assert len(host.log) == 1_000_000


def test_a_file_cannot_grow_beyond_the_disk_limit(host: Farm) -> None:
    with host.open(Limits(disk=100_000, wall=20)) as session:
        assert sh(session, "ulimit -c").tail == ("0",)
        done = sh(session, "head -c 200000 /dev/zero >big; wc -c <big; exit 1")
        assert (done.ended, done.tail[-1]) == (Ended.DISK, "100000")


@pytest.mark.host
@pytest.mark.slow
def test_the_disk_limit_is_that_of_all_files_together(host: Farm) -> None:
    write = "for n in $(seq 40); do head -c 1000000 /dev/zero >$TMPDIR/$n; done; mkdir -p deep/er; mv $TMPDIR/? deep/er"
    with host.open(Limits(disk=60_000_000, wall=20)) as session:
        assert sh(session, write).ok
        done = sh(session, f"TMPDIR=$HOME; {write}; sleep 30")
    assert done.ended is Ended.DISK
    assert done.seconds < 10
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
    with limited.open(Limits(memory=300 << 20, wall=20)) as session:
        assert do(session, "perl", "-e", f"{EAT}; sleep 1").ok
        eat = f"env -i setsid perl -e '{EAT}; sleep 30'"
        done = sh(session, f"for n in 1 2 3 4; do {eat} & done; sleep {napping}")
        assert done.ended is Ended.MEMORY
        assert alive(EAT) == alive(napping) == []
    assert done.seconds < 10
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
    with limited.open(Limits(pids=100, wall=30)) as session:
        done = do(session, "perl", "-e", FORKS, fuse)
        assert done.ended is Ended.PIDS
        assert alive(fuse) == []
        assert do(session, "echo", "hello").ok
    assert done.seconds < 15
    assert done.excess
    assert done.excess.used >= done.excess.limit == 100


@pytest.mark.host
@pytest.mark.slow
def test_processor_time_is_that_of_the_session_and_of_ended_children(limited: Farm) -> None:
    burn = "i=0; while [ $i -lt 50000 ]; do i=$((i+1)); done"
    with limited.open(Limits(cpu=1, wall=20)) as session:
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


def test_the_kernel_ends_a_session_before_the_farm(host: Farm) -> None:
    with host.open() as session:
        assert do(session, "cat", "/proc/self/oom_score_adj").tail == ("1000",)


def test_stop_ends_a_running_command_soon(host: Farm) -> None:
    stop = threading.Event()
    with host.open(stop=stop.is_set) as session:
        threading.Timer(0.5, stop.set).start()
        began = time.monotonic()
        assert sh(session, "trap '' TERM; sleep 30").ended is Ended.STOPPED
    assert time.monotonic() - began < 2


def test_no_child_outlives_the_command(host: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    daemon = f"exec </dev/null >/dev/null 2>&1; sleep {napping} & sleep {napping}"
    with host.open() as session:
        began = time.monotonic()
        assert sh(session, f"sleep {napping} & setsid sh -c '{daemon}' & env -i setsid sh -c '{daemon}' & echo bye").ok
        assert time.monotonic() - began < 3
        assert alive(napping) == []
    assert host.log == b"bye\n"


def test_no_child_outlives_a_limit(host: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)
    with host.open(Limits(wall=0.6, silence=10)) as session:
        command = f"env -i setsid sh -c 'sleep {napping} & sleep {napping}' & sleep {napping}"
        assert sh(session, command).ended is Ended.WALL
        assert alive(napping) == []


def test_no_child_outlives_an_error_in_the_sink(host: Farm, request: pytest.FixtureRequest) -> None:
    napping = token(request)

    def full(chunk: bytes) -> None:
        raise OSError(chunk)

    host.hear = full  # type: ignore[method-assign]
    with pytest.raises(OSError, match="hello"), host.open() as session:
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


def test_files_are_dated_and_executable_as_their_archive_says(host: Farm) -> None:
    script = b"#!/bin/sh\necho ran"
    packed = archive(host.store, ("p-1/configure", script, 0o777), ("p-1/data", b"", 0o666), link="data")
    with host.open() as session:
        source = session.layout.source
        session.put(source, Archive(artifact=packed))
        session.put(f"{source}/patched", b"")
        assert do(session, f"{source}/configure").tail == ("ran",)
        described = sh(session, f"cd {source} && stat -c '%n %a %Y' configure data patched && readlink link").tail
    assert described == (f"configure 755 {MTIME}", f"data 644 {MTIME}", f"patched 644 {EPOCH}", "data")


def test_links_that_a_command_left_are_not_followed(host: Farm, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.so").write_text("secret")
    with host.open() as session:
        work = session.layout.work
        assert sh(session, f"mkdir real && touch real/a.so && ln -s {outside} away").ok
        assert sh(session, f"ln -s {outside}/secret.so real/b.so && mkfifo real/c.so && mkdir real/d.so").ok
        assert sh(session, f"ln -s {outside}/victim victim").ok
        assert [artifact.name for artifact in session.take(f"{work}/*/*.so")] == ["a.so"]
        with pytest.raises(FarmError, match="away is a link"):
            session.put(f"{work}/away/planted", b"")
        session.put(f"{work}/victim", b"mine")
        assert do(session, "cat", f"{work}/victim").tail == ("mine",)
    assert sorted(path.name for path in outside.iterdir()) == ["secret.so"]


def test_the_folder_goes_however_it_was_left(host: Farm) -> None:
    with host.open() as session:
        assert sh(session, "mkdir -p a/b/c && touch a/b/c/d && chmod 0 a/b/c && chmod 500 a a/b").ok
        assert sh(session, "long=$(printf '%0200d/' $(seq 15)) && mkdir -p $long && cd $long && mkdir -p $long").ok
    assert list(host.home.glob("sessions/*")) == []


@pytest.mark.host
@pytest.mark.slow  # the disk takes its time
def test_the_folder_goes_however_deep_it_is(host: Farm) -> None:
    with host.open() as session:
        assert sh(session, "deep=$(printf 'd/%.0s' $(seq 600)) && mkdir -p $deep && cd $deep && mkdir -p $deep").ok
    assert list(host.home.glob("sessions/*")) == []


def test_sweep_removes_what_a_killed_owner_left(
    limited: Farm, parents: tuple[cgroup.Parent, ...], request: pytest.FixtureRequest
) -> None:
    host = limited
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


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
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
