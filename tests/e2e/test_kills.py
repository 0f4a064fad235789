"""``kill -9`` at every crash point and at random moments; then the same command again goes on, and nothing is lost or
doubled.
"""

from __future__ import annotations

import io
import json
import os
import random
import re
import signal
import sqlite3
import subprocess
import sys
import tarfile
import time
import zipfile
from base64 import urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import pytest

from buildfarm.adapters.host import cgroup

pytestmark = [pytest.mark.host, pytest.mark.slow, pytest.mark.e2e]

FULL = "BUILDFARM_FULL" in os.environ
RANDOM_KILLS = int(os.environ.get("BUILDFARM_TEST_KILLS", "8" if FULL else "4"))
IN_A_ROW = 1 if FULL else 3
"""Kills before a run is let go to its end; more would be too many losses for one job."""
SHARES = 4
"""Of the crash points, one for each test, so that it is seen how far they are."""

BACKEND = """
import os, zipfile, base64, hashlib

def get_requires_for_build_wheel(config_settings=None):
    return {wants!r}

def build_wheel(directory, config_settings=None, metadata_directory=None):
    if {broken!r}:
        raise SystemExit("broken on purpose")
    info = "{name}-{version}.dist-info"
    files = {{
        "{name}.py": "",
        info + "/METADATA": "Metadata-Version: 2.1\\nName: {name}\\nVersion: {version}\\n",
        info + "/WHEEL": "Wheel-Version: 1.0\\nGenerator: t\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n",
    }}
    rows = []
    for path, text in files.items():
        digest = base64.urlsafe_b64encode(hashlib.sha256(text.encode()).digest()).rstrip(b"=").decode()
        rows.append("%s,sha256=%s,%d" % (path, digest, len(text)))
    files[info + "/RECORD"] = "\\n".join(rows + [info + "/RECORD,,"])
    wheel = "{name}-{version}-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, wheel), "w") as archive:
        for path, text in files.items():
            archive.writestr(zipfile.ZipInfo(path), text)
    return wheel
"""


@dataclass(frozen=True)
class Ground:
    """A home with its tool-chain, and an upstream of one folder of sdists and one of wheels."""

    home: Path
    sdists: Path
    wheels: Path

    def command(self, version: str) -> list[str]:
        names = [f"{name}=={version}" for name in ("tiny", "broken", "homeless")]
        return [sys.executable, "-m", "buildfarm", "build", *names, "--targets", f"{ABI}-*", "-j", "2", "--json"]

    def environ(self, crash_at: str = "") -> dict[str, str]:
        return {
            **os.environ,
            "BUILDFARM_HOME": str(self.home),
            "BUILDFARM_ENGINE": "none",
            "BUILDFARM_UPSTREAM": str(self.sdists),
            "BUILDFARM_CRASH_AT": crash_at,
            "PIP_FIND_LINKS": str(self.wheels),
        }

    def run(self, version: str, crash_at: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.command(version), env=self.environ(crash_at), capture_output=True, text=True, timeout=240, check=False
        )

    def add(self, version: str) -> None:
        for name, requires, wants in (
            ("tiny", ["needed==1"], ["wished==1"]),
            ("broken", [], []),
            ("homeless", ["needed==9"], []),
        ):
            backend = BACKEND.format(name=name, version=version, wants=wants, broken=name == "broken")
            files = {
                "backend.py": backend,
                "PKG-INFO": f"Metadata-Version: 2.2\nName: {name}\nVersion: {version}\n",
                "pyproject.toml": (
                    f"[build-system]\nrequires = {json.dumps(requires)}\n"
                    'build-backend = "backend"\nbackend-path = ["."]\n'
                ),
            }
            with tarfile.open(self.sdists / f"{name}-{version}.tar.gz", "w:gz") as archive:
                for path, text in files.items():
                    info = tarfile.TarInfo(f"{name}-{version}/{path}")
                    info.size, info.mtime = len(text.encode()), 1_600_000_000
                    archive.addfile(info, io.BytesIO(text.encode()))

    # ------------------------------------------------------------------------------------------ what must hold

    def ask(self, query: str, *values: object) -> list[tuple[object, ...]]:
        with sqlite3.connect(self.home / "ledger.db", timeout=30) as ledger:
            return ledger.execute(query, values).fetchall()

    def files_on_page(self, version: str) -> list[dict[str, object]]:
        page = self.home / "index" / "main" / "simple" / "tiny" / "index.json"
        if not page.exists():
            return []
        return [file for file in json.loads(page.read_text())["files"] if f"-{version}-" in file["filename"]]

    def check_nothing_half_made(self, version: str) -> None:
        """Whatever a page names is whole, right now, before anybody repairs anything."""
        for file in self.files_on_page(version):
            path = (self.home / "index/main/simple/tiny" / str(file["url"])).resolve()
            assert sha256(path.read_bytes()).hexdigest() == file["hashes"]["sha256"]  # type: ignore[index]
            metadata = Path(f"{path}.metadata").read_bytes()
            assert sha256(metadata).hexdigest() == file["core-metadata"]["sha256"]  # type: ignore[index]

    def check_whole(self, version: str) -> None:
        """Everything is done, exactly once."""
        assert len(self.files_on_page(version)) == 1
        self.check_nothing_half_made(version)
        assert set(self.ask("select project, kind, state from jobs where version = ?", version)) == {
            ("tiny", "build", "succeeded"),
            ("tiny", "test", "succeeded"),
            ("broken", "build", "failed"),
            ("homeless", "build", "failed"),
        }
        assert self.ask("select state from publications where version = ?", version) == [("published",)]
        events = self.ask("select count(*) from index_events where file like ?", f"tiny-{version}-%")
        assert events == [(1,)]
        assert self.ask("select count(*) from requests where state = 'open'") == [(0,)]
        for job, state in self.ask("select id, state from jobs where version = ?", version):
            path = self.ask("select before, after from transitions where job = ? order by id", job)
            assert [after for _, after in path[:-1]] == [before for before, _ in path[1:]]
            assert path[0][0] == "pending"
            assert path[-1][1] == state

    def sessions(self) -> list[str]:
        folder = self.home / "sessions"
        return sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []

    def check_nothing_left(self, sessions: list[str]) -> None:
        """No folder of a session, no owner, and no process or control group of any session seen."""
        assert self.sessions() == []
        assert [path.name for path in (self.home / "owners").iterdir() if path.name.startswith("local-")] == []
        names = {name.partition(".")[0] for name in sessions}
        parents = cgroup.find(Path("/proc"))
        assert not [name for parent in parents for name in names if (parent.folder / f"buildfarm-{name}").exists()]
        marks = {f"BUILDFARM_SESSION={name}".encode() for name in names}
        for environ in Path("/proc").glob("[0-9]*/environ"):
            try:
                variables = environ.read_bytes().split(b"\0")
            except OSError:
                continue
            assert marks.isdisjoint(variables)


ABI = f"cp{sys.version_info.major}{sys.version_info.minor}"


def wheel(name: str) -> bytes:
    info = f"{name}-1.dist-info"
    files = {
        f"{name}.py": b"",
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    rows = [
        f"{path},sha256={urlsafe_b64encode(sha256(content).digest()).rstrip(b'=').decode()},{len(content)}"
        for path, content in files.items()
    ]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path, content in files.items():
            archive.writestr(path, content)
        archive.writestr(f"{info}/RECORD", "\n".join([*rows, f"{info}/RECORD,,"]))
    return packed.getvalue()


@pytest.fixture(scope="module")
def ground(equipped: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Ground:
    folder = tmp_path_factory.mktemp("kills")
    ground = Ground(home=equipped(folder / "home"), sdists=folder / "sdists", wheels=folder / "wheels")
    ground.sdists.mkdir()
    ground.wheels.mkdir()
    for name in ("needed", "wished"):
        (ground.wheels / f"{name}-1-py3-none-any.whl").write_bytes(wheel(name))
    ground.add("1.0")
    first = ground.run("1.0")
    assert first.returncode == 1, first.stderr
    ground.check_whole("1.0")
    return ground


@pytest.fixture(scope="module")
def points(ground: Ground) -> list[str]:
    """Every crash point that a build of a new version passes, in the order of the first time."""
    ground.add("2.0")
    passed = re.findall(r"^crash point (\S+)$", ground.run("2.0", "list").stderr, re.MULTILINE)
    return [*dict.fromkeys(passed)]


def test_every_arrow_and_every_file_has_its_points(points: list[str]) -> None:
    arrows = {
        "pending->queued",
        "pending->failed",
        "queued->running",
        "running->pending",
        "running->failed",
        "running->succeeded",
    }
    others = {
        "request",
        "resolve",
        "pin",
        "insert",
        "lock",
        "want",
        "event",
        "wanted->published",
        "pages",
        "roots",
        "close",
    }
    for name in arrows | others:
        assert {f"{name}:before", f"{name}:after"} <= set(points)
    assert {"store.put:written", "store.put:renamed", "tree.write:written", "tree.link:linked"} <= set(points)


@pytest.mark.parametrize("share", range(SHARES))
def test_kill_at_every_point_of_a_build(ground: Ground, points: list[str], share: int) -> None:
    length = -(-len(points) // SHARES)
    left = points[share * length : (share + 1) * length]
    while left:
        crashes = left[:IN_A_ROW]
        passed = kill_and_go_on(ground, f"3.{share}.{len(left)}", *crashes)
        assert passed, f"{left[0]} was not passed"
        left = left[passed:]


def kill_and_go_on(ground: Ground, version: str, *crashes: str) -> int:
    """Killed at each of the points in turn, as long as they are passed, then run to the end; how many were passed."""
    ground.add(version)
    sessions: list[str] = []
    passed = 0
    for point in crashes:
        killed = ground.run(version, point)
        if killed.returncode != -signal.SIGKILL:
            break
        passed += 1
        sessions += ground.sessions()
        ground.check_nothing_half_made(version)
    began = time.monotonic()
    done = ground.run(version)
    assert done.returncode == 1, f"after {crashes}: {done.stderr}"
    assert time.monotonic() - began < 45, "it waited for a lease instead of going on at once"
    ground.check_whole(version)
    ground.check_nothing_left(sessions)
    return passed


@pytest.mark.parametrize(
    "crashes",
    [
        ("queued->running:after", "running->queued:before"),
        ("queued->running:after", "running->queued:after"),
        ("running->succeeded:before", "running->queued:after", "want:before"),
        ("wanted->published:before", "close:before"),
    ],
    ids="+".join,
)
def test_kills_while_recovering(ground: Ground, crashes: tuple[str, ...]) -> None:
    assert kill_and_go_on(ground, f"4.{abs(hash(crashes)) % 100000}", *crashes) == len(crashes)


def test_what_is_built_is_never_built_again(ground: Ground) -> None:
    assert kill_and_go_on(ground, "5.0", "running->succeeded:after") == 1
    attempts = ground.ask(
        "select count(*) from attempts join jobs on jobs.id = attempts.job"
        " where version = '5.0' and project = 'tiny' and kind = 'build' and attempts.outcome like '%Built%'"
    )
    assert attempts == [(1,)]


@pytest.mark.parametrize("when", ["before", "after"])
def test_kill_when_asked_for_again_and_when_cancelled(ground: Ground, when: str) -> None:
    version = "6.1" if when == "before" else "6.2"
    kill_and_go_on(ground, version)
    assert ground.run(version, f"failed->pending:{when}").returncode == -signal.SIGKILL
    assert ground.run(version).returncode == 1
    ground.check_whole(version)

    version = "7.1" if when == "before" else "7.2"
    ground.add(version)
    for state, left_by in (("pending", "insert:after"), ("queued", "pending->queued:after")):
        assert ground.run(version, left_by).returncode == -signal.SIGKILL
        (key,) = ground.ask("select key from jobs where version = ? and state = ? limit 1", version, state)[0]
        cancel = [sys.executable, "-m", "buildfarm", "cancel", str(key)]
        point = f"{state}->cancelled:{when}"
        killed = subprocess.run(cancel, env=ground.environ(point), capture_output=True, timeout=60, check=False)
        assert killed.returncode == -signal.SIGKILL
        subprocess.run(cancel, env=ground.environ(), capture_output=True, timeout=60, check=False)
        assert ground.ask("select state from jobs where key = ?", key) == [("cancelled",)]
        assert ground.run(version).returncode == 1  # ends, with the job cancelled
        assert ground.run(version, f"cancelled->pending:{when}").returncode == -signal.SIGKILL
        assert ground.run(version).returncode == 1
        ground.check_whole(version)
        ground.ask("select 1")
        version += "1"
        ground.add(version)


def test_kill_at_random_moments(ground: Ground) -> None:
    seed = random.SystemRandom().randrange(10**6)
    chance = random.Random(seed)
    for number in range(RANDOM_KILLS):
        version = f"8.{number}"
        ground.add(version)
        sessions: list[str] = []
        for _ in range(2):
            started = subprocess.Popen(
                ground.command(version), env=ground.environ(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            time.sleep(chance.uniform(0.5, 5.0))
            started.kill()
            started.wait()
            sessions += ground.sessions()
            ground.check_nothing_half_made(version)
        done = ground.run(version)
        assert done.returncode == 1, f"seed {seed}, version {version}: {done.stderr}"
        ground.check_whole(version)
        ground.check_nothing_left(sessions)
