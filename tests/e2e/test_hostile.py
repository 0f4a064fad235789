"""Projects that mean harm, in containers: each is contained and told by name, and nothing of it meets the next one."""

from __future__ import annotations

import hashlib
import os
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.labels import FARM
from buildfarm.adapters.container.provision import Provision
from buildfarm.adapters.container.runner import ContainerRunner
from buildfarm.adapters.memory import MemoryStore
from buildfarm.model.job import Environment
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Command, Completed, Ended, Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.ports import Session
from buildfarm.steps.build import failure
from tests.e2e.conftest import LONG_AGO, Farm

pytestmark = [pytest.mark.engine, pytest.mark.slow, pytest.mark.e2e]

PYTHON = "/opt/python/cp313-cp313/bin/python3"
MIB = 1 << 20
SMALL = Limits(memory=256 * MIB, disk=50 * MIB, pids=64, wall=90, silence=30, log=4 * MIB)
ENVIRONMENT = Environment(
    name="hostile",
    lane="linux-x86_64-container",
    target=Target.parse("cp313-manylinux_2_31_x86_64"),
    definition={},
    test_definition={},
)


@dataclass
class Yard:
    """Where they run, and what they said."""

    engine: Engine
    runner: ContainerRunner
    name: str
    said: list[bytes] = field(default_factory=list)

    @contextmanager
    def session(self, limits: Limits = SMALL) -> Iterator[Session]:
        """One session; nothing of it is left afterwards."""
        spec = SessionSpec(attempt="hostile", owner="us", purpose=Purpose.BUILD, environment=ENVIRONMENT, limits=limits)
        with self.runner.open(spec, self.said.append, lambda: False) as session:
            yield session
        filters = {"label": [f"{FARM}={self.name}"]}
        assert self.engine.client.api.containers(all=True, filters=filters) == []
        assert not self.engine.client.api.volumes(filters=filters)["Volumes"]

    def setup(self, session: Session, code: str) -> Completed:
        """Run it as its setup.py would be run."""
        session.put(f"{session.layout.source}/setup.py", code.encode())
        argv = (session.layout.python, "setup.py")
        return session.run(Command(argv=argv, cwd=session.layout.source, what="build the wheel"))


@pytest.fixture
def yard(tmp_path: Path, engine: Engine, image: object) -> Yard:
    given = Provision(image=image("debian11-test"), python=PYTHON, interpreter=PYTHON)  # type: ignore[operator]
    name = str(tmp_path)
    runner = ContainerRunner(engine=engine, store=MemoryStore(), provide=lambda *_: nullcontext(given), farm=name)
    return Yard(engine=engine, runner=runner, name=name)


def test_it_reaches_no_network(yard: Yard) -> None:
    with socket.create_server(("", 0)) as server, yard.session() as session:
        here, port = socket.gethostbyname(socket.gethostname()), server.getsockname()[1]
        code = f"""
import socket
for address in ("{here}", "172.17.0.1", "192.0.2.1", "127.0.0.1"):
    try:
        socket.create_connection((address, {port}), 5)
    except OSError as error:
        print(address, error)
    else:
        raise SystemExit(f"reached {{address}}")
socket.getaddrinfo("example.org", 80)
"""
        done = yard.setup(session, code)
    assert (done.ended, done.exit_code) == (Ended.EXITED, 1)
    assert "socket.gaierror" in done.tail[-1]
    assert failure(done).code == "exit-code"


def test_it_sees_nothing_of_the_host(yard: Yard, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    with yard.session() as session:
        code = f"""
import os
for path in ("{secret}", "/var/run/docker.sock", "/proc/1/root{secret}", "/etc/shadow", "/dev/mem", "/root"):
    try:
        os.listdir(path) if os.path.isdir(path) else open(path).read()
    except OSError:
        continue
    raise SystemExit(f"read {{path}}")
print(sorted(name for name in os.listdir("/proc") if name.isdigit()))
"""
        done = yard.setup(session, code)
    assert done.ok, done.tail
    assert len(done.tail[-1].split()) <= 4, "it sees its own processes alone"


def test_forks_without_end_are_bounded_and_ended(yard: Yard) -> None:
    bomb = """
import os
while True:
    try:
        os.fork()
    except OSError:
        pass
"""
    with yard.session() as session:
        done = yard.setup(session, bomb)
        assert done.ended is Ended.PIDS
        assert failure(done).code == "pids"
        assert yard.setup(session, "print('next')").ok
    assert done.seconds < 60


def test_a_full_disk_is_its_own(yard: Yard) -> None:
    fill = """
import time
block = bytes(1 << 20)
for number in range(200):
    with open(f"{number % 40}.{number}", "wb") as file:
        file.write(block)
time.sleep(60)
"""
    with yard.session() as session:
        done = yard.setup(session, fill)
    assert done.ended is Ended.DISK
    assert failure(done).code == "disk"


def test_files_in_folders_that_nobody_may_read_count(yard: Yard) -> None:
    hide = """
import os, time
os.mkdir("hidden")
for number in range(80):
    with open(f"hidden/{number}", "wb") as file:
        file.write(bytes(1 << 20))
os.chmod("hidden", 0)
time.sleep(60)
"""
    with yard.session() as session:
        done = yard.setup(session, hide)
    assert done.ended is Ended.DISK


@pytest.mark.parametrize(
    "where", ["x = []\nwhile True:\n    x.append(bytes(1 << 20))", "open('/tmp/x', 'wb').write(b'x' * (1 << 30))"]
)
def test_memory_without_end_is_ended(yard: Yard, where: str) -> None:
    with yard.session() as session:
        done = yard.setup(session, where)
        assert done.ended is Ended.MEMORY
        assert done.excess
        assert done.excess.limit == 256 * MIB
        assert failure(done).code == "memory"


def test_silence_and_a_deaf_ear_are_ended(yard: Yard) -> None:
    deaf = """
import signal, time
for each in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
    signal.signal(each, signal.SIG_IGN)
print("deaf", flush=True)
time.sleep(600)
"""
    with yard.session(Limits(memory=256 * MIB, wall=60, silence=3)) as session:
        done = yard.setup(session, deaf)
    assert (done.ended, done.tail) == (Ended.SILENCE, ("deaf",))
    assert failure(done).code == "silence"


def test_output_without_end_is_ended(yard: Yard) -> None:
    with yard.session() as session:
        done = yard.setup(session, "while True:\n    print('x' * 1000)")
    assert done.ended is Ended.LOG
    assert failure(done).code == "log"
    assert sum(map(len, yard.said)) == SMALL.log


def test_daemons_do_not_outlive_the_command(yard: Yard) -> None:
    mark = hashlib.sha256(yard.name.encode()).hexdigest()[:12]
    daemons = f"""
import os, subprocess, sys, time
nap = [sys.executable, "-c", "import time; time.sleep(600)", "{mark}"]
subprocess.Popen(nap, start_new_session=True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.closerange(0, 100)
        os.execve(nap[0], nap, {{}})
    os._exit(0)
time.sleep(1)
"""
    with yard.session() as session:
        assert yard.setup(session, daemons).ok
        assert running(mark) == 0


def test_it_writes_only_where_it_may(yard: Yard) -> None:
    write = """
for path in ("/usr/lib/x", "/etc/x", "/opt/python/x", "/buildfarm/x", "/x", "/proc/sys/kernel/hostname"):
    try:
        open(path, "w").write("x")
    except OSError:
        continue
    raise SystemExit(f"wrote {path}")
open("/tmp/left", "w").write("x")
open("/buildfarm/b/left", "w").write("x")
"""
    with yard.session() as session:
        assert yard.setup(session, write).ok
    with yard.session() as session:
        look = "import os; raise SystemExit(os.path.exists('/tmp/left') or os.path.exists('/buildfarm/b/left'))"
        assert yard.setup(session, look).ok, "the next session has nothing of it"


def test_a_file_cannot_be_replaced_between_build_and_fetch(yard: Yard) -> None:
    replace = """
import os, sys, time
open("../dist/p.whl", "w").write("built")
if os.fork() == 0:
    os.setsid()
    while True:
        open("../dist/.new", "w").write("replaced")
        os.rename("../dist/.new", "../dist/p.whl")
open("../dist/p.whl", "w").write("built")
"""
    with yard.session() as session:
        assert yard.setup(session, replace).ok
        path = f"{session.layout.dist}/p.whl"
        (first,) = session.take(path)
        time.sleep(0.2)
        assert session.take(path) == (first,)


PLANTS = """
import zipfile

def build_wheel(folder, config_settings=None, metadata_directory=None):
    name = "requests-99.0-py3-none-any.whl"
    with zipfile.ZipFile(f"{folder}/{name}", "w") as wheel:
        inside = "requests-99.0.dist-info"
        wheel.writestr(f"{inside}/METADATA", "Metadata-Version: 2.1\\nName: requests\\nVersion: 99.0\\n")
        wheel.writestr(f"{inside}/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr(f"{inside}/RECORD", "")
    return name
"""


def test_a_wheel_of_another_name_is_refused(home: Path, tmp_path: Path, image: object) -> None:
    image("debian11")  # type: ignore[operator]
    farm = Farm(home, tmp_path, engine="auto")
    folder = tmp_path / "planter"
    folder.mkdir()
    (folder / "pyproject.toml").write_text(
        '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        '[project]\nname = "planter"\nversion = "1.0"\n'
    )
    (folder / "backend.py").write_text(PLANTS)
    for each in folder.iterdir():
        os.utime(each, (LONG_AGO, LONG_AGO))
    recipe = tmp_path / "planter.yaml"
    recipe.write_text("name: planter\nsource: {path: planter}\n")
    done = farm.build(recipe, targets="cp313-*")
    job = done.job("planter")
    assert (done.code, job["outcome"], job["step"]) == (1, "failed", "verify")
    assert "requests" in job["reason"], "it is told what came instead"
    assert farm.page("requests") == farm.page("planter") == ""


def running(mark: str) -> int:
    """How many processes of this machine have the word in their command line, beside this one."""
    found = 0
    for folder in Path("/proc").iterdir():
        try:
            found += mark.encode() in (folder / "cmdline").read_bytes()
        except OSError:
            continue
    return found
