"""What a container session costs beside the least that its parts can cost on the same engine: ``container_session.py
IMAGE PYTHON [ROUNDS]``, an image of the engine and a Python in it. Prints both in ms, as medians, and their ratio.

The floor is a volume, a container created, started and removed, five programs run in it, one archive in and one out.
The session does the same work: five trivial commands, each with its result read, one file in and one out.
"""

from __future__ import annotations

import io
import os
import statistics
import sys
import tarfile
import time
from collections.abc import Callable
from contextlib import nullcontext

from buildfarm.adapters.container.engine import Engine, find
from buildfarm.adapters.container.hardening import hardened
from buildfarm.adapters.container.provision import Provision
from buildfarm.adapters.container.runner import ContainerRunner
from buildfarm.adapters.memory import MemoryStore
from buildfarm.model.job import Environment
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Command, Purpose, SessionSpec
from buildfarm.model.target import Target

RUNS = 5
LABELS = {"buildfarm.farm": "bench"}


def floor(engine: Engine, image: str) -> None:
    """The engine's own calls, and nothing else."""
    client, packed = engine.client, io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        info = tarfile.TarInfo("file")
        info.size = 1024
        archive.addfile(info, io.BytesIO(bytes(1024)))
    volume = client.volumes.create(labels=LABELS)
    container = client.containers.create(
        image, ["sleep", "300"], volumes={volume.name: {"bind": "/v"}}, labels=LABELS, **hardened(engine, Limits())
    )
    try:
        container.start()
        container.put_archive("/v", packed.getvalue())
        for _ in range(RUNS):
            made = client.api.exec_create(container.id, ["true"])["Id"]
            client.api.exec_start(made)
            assert client.api.exec_inspect(made)["ExitCode"] == 0
        assert b"".join(container.get_archive("/v/file")[0])
    finally:
        container.remove(force=True)
        volume.remove()


def session(runner: ContainerRunner) -> None:
    """The same work, as an attempt asks for it."""
    environment = Environment(
        name="bench", lane="", target=Target.parse("cp313-manylinux_2_31_x86_64"), definition={}, test_definition={}
    )
    spec = SessionSpec(attempt="bench", owner="bench", purpose=Purpose.BUILD, environment=environment)
    with runner.open(spec, lambda _: None, lambda: False) as opened:
        path = f"{opened.layout.work}/file"
        opened.put(path, bytes(1024))
        for _ in range(RUNS):
            assert opened.run(Command(argv=("true",), cwd=opened.layout.work, what="do nothing")).ok
        assert len(opened.take(path)) == 1


def seconds(work: Callable[[], None]) -> float:
    """How long it takes."""
    began = time.monotonic()
    work()
    return time.monotonic() - began


def main(image: str, python: str, rounds: str = "9") -> None:
    """Measure both in turns, so that the machine's other work troubles them alike."""
    engine = find(os.environ)
    assert engine, "no container engine answers"
    given = Provision(image=image, python=python, interpreter=python)
    runner = ContainerRunner(engine=engine, store=MemoryStore(), provide=lambda *_: nullcontext(given), farm="bench")
    pairs = [(seconds(lambda: floor(engine, image)), seconds(lambda: session(runner))) for _ in range(int(rounds))]
    least, ours = (statistics.median(each) for each in zip(*pairs, strict=True))
    print(f"{engine.words}: floor {least * 1000:.0f} ms, session {ours * 1000:.0f} ms, ratio {ours / least:.2f}")


if __name__ == "__main__":
    main(*sys.argv[1:])
