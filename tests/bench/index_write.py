"""How long it takes until an upload is visible, on an index of 20,000 projects, while that gets an heir, and with 300.

``python tests/bench/index_write.py [FOLDER]``: everything is written to the disk of the folder, with fsync. Prints
milliseconds (the median of several) and the ratio of 300 heirs to one; exit code 1: more than 100 ms, or more than 5.
"""

from __future__ import annotations

import io
import os
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

from sqlalchemy import insert

from buildfarm.adapters.sql import tables as t
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.sql.plain import tagged
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.promote import promote
from buildfarm.farm.receive import Incoming, receive
from buildfarm.farm.render import PAGES, ROOTS, render_roots, render_settings
from buildfarm.model.events import FilePublished, IndexConfigured
from buildfarm.model.index import Index
from buildfarm.model.wheel import Artifact, Verdict
from tests.unit.farm.test_memory_story import Farm, Machine, wheel

PROJECTS, HEIRS, TIMES = 20_000, 300, 7
LONGEST, STEEPEST = 100.0, 5.0  # milliseconds; times
ANY = tuple(each for each in Verdict if each is not Verdict.FAILED)


def coordinator(home: Path) -> tuple[Coordinator, Ledger]:
    """A coordinator over a ledger, a store and a tree on disk."""
    ledger, store = Ledger(f"sqlite:///{home / 'ledger.db'}", folder=home / "locks"), LocalStore(home / "store")
    over = (ledger, store, FileTree(home / "index", store.path))
    return Farm(Machine(lambda _: {}), over=over).coordinator, ledger


def fill(farm: Coordinator, ledger: Ledger, index: str, home: Path) -> None:
    """The index with 20,000 projects of five files each, by events and publications; their pages are left out."""
    farm.events.append(index, IndexConfigured(index=Index(name=index, accepts=ANY)))
    with ledger.database.writing() as tx:
        for events, publications in _rows(index):
            tx.connection.execute(insert(t.index_events), events)
            tx.connection.execute(insert(t.publications), publications)
    last = farm.events.since(0)[-1].serial
    for what in (PAGES, ROOTS):
        farm.rendering.advance(what, last)
    for number in range(PROJECTS):
        (home / "index" / index / "simple" / f"demo{number}").mkdir(parents=True)


def _rows(index: str) -> Iterator[tuple[list[dict[str, object]], list[dict[str, object]]]]:
    for number in range(PROJECTS):
        name, events, publications = f"demo{number}", [], []
        for minor in range(5):
            file = f"{name}-1.{minor}-py3-none-any.whl"
            artifact = Artifact(name=file, size=1000, sha256=sha256(file.encode()).hexdigest())
            payload = FilePublished(
                project=name,
                version=f"1.{minor}",
                artifact=artifact,
                metadata_sha256="0" * 64,
                uploaded="2026-01-01T00:00:00Z",
            )
            same = {"index_name": index, "project": name, "file": file, "at": 0.0}
            events.append({**same, "kind": "FilePublished", "payload": tagged(payload), "who": "bench"})
            more = {"version": f"1.{minor}", "wheel": artifact.sha256, "size": 1000, "content": "", "note": ""}
            publications.append({**same, **more, "state": "published", "build": "", "arrival": {}})
        yield events, publications


def upload(farm: Coordinator, index: str, name: str, version: str) -> None:
    """An upload, until its page is on disk."""
    content = wheel(name, version)
    digest = sha256(content).hexdigest()
    filename = f"{name}-{version}-py3-none-any.whl"
    file = io.BytesIO(content)
    receive(farm, Incoming(index=index, filename=filename, content=file, size=len(content), sha256=digest, who="bench"))


def measured(what: str, doing: Callable[[int], object]) -> float:
    """Median milliseconds of several times; printed."""
    taken = []
    for number in range(TIMES):
        begun = time.perf_counter()
        doing(number)
        taken.append((time.perf_counter() - begun) * 1000)
    middle = statistics.median(taken)
    print(f"{what:58} {middle:8.1f} ms   ({min(taken):.1f} to {max(taken):.1f})")
    return middle


@contextmanager
def elsewhere(home: Path, doing: Callable[[Coordinator], None]) -> Iterator[None]:
    """Another process does it meanwhile, and is killed at the end."""
    child = os.fork()
    if not child:
        doing(coordinator(home)[0])
        os._exit(0)
    time.sleep(1)
    yield
    os.kill(child, signal.SIGKILL)
    assert os.WIFSIGNALED(os.waitpid(child, 0)[1]), "it was done before the end"


def main(folder: Path) -> int:
    """Measure all."""
    with tempfile.TemporaryDirectory(dir=folder) as name:
        home = Path(name)
        farm, ledger = coordinator(home)
        fill(farm, ledger, "base", home)
        for index in ("quiet", "target"):
            farm.events.append(index, IndexConfigured(index=Index(name=index, accepts=ANY)))
        farm.events.append("heir", IndexConfigured(index=Index(name="heir", bases=("quiet",))))
        render_settings(farm)
        slow = [
            measured("new version, 20,000 projects", lambda at: upload(farm, "base", f"demo{at}", "2.0")),
            measured("new project, 20,000 projects", lambda at: upload(farm, "base", f"fresh{at}", "1.0")),
            measured(
                "promotion, 20,000 projects",
                lambda at: promote(farm, [f"demo{at}==2.0"], source="base", target="target"),
            ),
        ]
        measured("the pages that list all projects (not waited for)", lambda _: render_roots(farm))
        one = measured("new version, 1 heir", lambda at: upload(farm, "quiet", "demo", f"1.{at}"))
        for number in range(HEIRS):
            farm.events.append(
                f"sandbox{number}", IndexConfigured(index=Index(name=f"sandbox{number}", bases=("quiet",)))
            )
        render_settings(farm)
        many = measured(f"new version, {HEIRS} heirs", lambda at: upload(farm, "quiet", "demo", f"2.{at}"))
        print(f"{HEIRS} heirs cost {many / one:.1f} times one")
        farm.events.append("late", IndexConfigured(index=Index(name="late", bases=("base",))))
        with elsewhere(home, render_settings):
            measured(
                "new version, while an heir gets 20,000 projects", lambda at: upload(farm, "base", "demo9", f"3.{at}")
            )
        ledger.database.close()
    return int(max(slow) > LONGEST or many / one > STEEPEST)


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else ".")))
