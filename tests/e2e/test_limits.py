"""Projects that each break just one limit: in the sandbox and without it, by the real command line."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildfarm.adapters.host import cgroup
from tests.e2e.conftest import Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]

BODY = "    info = f"


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """What the build does, under which limit, and what is said of it."""

    does: str
    limit: str
    message: str


CASES = {
    "wall": Case(does="while not time.sleep(0.2): print(1, flush=True)", limit="6s", message="wall time limit"),
    "silence": Case(does="time.sleep(60)", limit="3s", message="silence limit"),
    "log": Case(does="while True: print('blah ' * 100, flush=True)", limit="64KiB", message="log size limit"),
    "memory": Case(
        does="held = [bytearray(b'x' * 10**7) for _ in range(100)]; time.sleep(60)",
        limit="512MiB",
        message="the limit is 512 MiB (",
    ),
    "pids": Case(
        does="[subprocess.Popen(['sleep', '60'], start_new_session=True) for _ in range(200)]; time.sleep(60)",
        limit="100",
        message="the limit is 100 processes and threads (",
    ),
    "disk": Case(
        does="[open(f'f{n}', 'wb').write(b'x' * 10**6) for n in range(300)]; time.sleep(60)",
        limit="200MiB",
        message="the limit is 200 MiB (weighed by du)",
    ),
    "cpu": Case(does="while True: pass", limit="5s", message="the limit is 5.0 s of processor time ("),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ran:
    """One call for all of them, under which isolation, and the names of its sessions."""

    farm: Farm
    done: Done
    isolation: str
    sessions: frozenset[str]


@pytest.fixture(scope="module", params=["auto", "none"])
def ran(request: pytest.FixtureRequest, farm: Farm) -> Ran:
    recipes = [
        farm.project(
            "tinypure",
            f"{name}{request.param}",
            {"backend.py": (BODY, f"    import subprocess, time\n    {case.does}\n{BODY}")},
            (f"limits: {{{name}: {case.limit}}}",),
        )
        for name, case in CASES.items()
    ]
    seen, over = set[str](), threading.Event()

    def look() -> None:
        while not over.wait(0.1):
            seen.update(path.stem for path in farm.home.glob("sessions/*.owner"))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        done = farm.build(*recipes, env={"BUILDFARM_ISOLATION": request.param})
    finally:
        over.set()
        looking.join()
    return Ran(farm=farm, done=done, isolation=request.param, sessions=frozenset(seen))


@pytest.mark.parametrize("name", CASES)
def test_the_limit_is_named(ran: Ran, name: str) -> None:
    job = ran.done.job(f"{name}{ran.isolation}")
    assert (job["outcome"], job["step"], job["code"]) == ("failed", "build", name), job["reason"]
    assert CASES[name].message in job["reason"]
    assert f"raise limits.{name} in the recipe" in job["advice"]


def test_nothing_is_left_behind(ran: Ran) -> None:
    assert ran.done.code == 1, ran.done.err
    assert list((ran.farm.home / "sessions").iterdir()) == []
    assert len(ran.sessions) >= len(CASES)
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = (process / "environ").read_bytes() + (process / "cgroup").read_bytes()
        except OSError:
            continue
        assert not [name for name in ran.sessions if name.encode() in told]
    parents = cgroup.find(Path("/proc"))
    assert not [1 for parent in parents for name in ran.sessions if (parent.folder / f"buildfarm-{name}").exists()]
