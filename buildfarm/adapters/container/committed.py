"""The one way in which something is made in a container and kept: root runs a script, and the result is committed."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import IO, Any

from docker.models.containers import Container

from buildfarm.adapters.container.connection import connection
from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.faults import FAULTS
from buildfarm.adapters.container.labels import Labels, ours
from buildfarm.adapters.container.stream import frames
from buildfarm.model.errors import FarmError, Stopped
from buildfarm.model.session import Sink, Stop

LABELS = tuple(f"buildfarm.{name}" for name in Labels.__slots__)
TAIL = 40  # lines of what was said, in the message of a failure
_PATIENCE = 3600  # seconds that a script may take
_LATE = 124  # the exit code of timeout(1)
_ASK_EVERY = 0.5  # seconds between two looks at stop()


def never() -> bool:
    """A ``Stop`` of what nobody stops."""
    return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """What root runs in a container of ``base``: a script for ``sh -e``, for an hour at most or until ``stop`` says so.

    ``what`` completes the sentence "could not …". ``labels`` are those of the container, by which a sweep finds it.
    ``network``: none, or the engine's ``bridge``. ``scratch`` maps folders in memory to their mount options: what is
    written there is not kept. There are no variables: an image would remember them.
    """

    base: str
    script: str
    labels: Labels
    what: str
    network: str = "none"
    scratch: Mapping[str, str] = field(default_factory=dict)
    stop: Stop = never


class Failed(FarmError):
    """The script ended with another exit code than 0, or with none; ``tail`` is what it said last."""

    def __init__(self, what: str, code: int, tail: tuple[str, ...]) -> None:
        super().__init__("\n".join((f"could not {what} (exit code {code}); it said last:", *tail)))
        self.code = code
        self.tail = tail


@contextlib.contextmanager
def worked(
    engine: Engine, work: Work, archives: Iterable[tuple[str, IO[bytes] | bytes]], sink: Sink
) -> Iterator[Container]:
    """The container after its script ended well; it is gone when the context ends, whatever happened.

    ``archives`` are tars put in before the start, each below a folder that is there. The output goes to ``sink`` as it
    comes. Raises ``Failed``; ``Stopped``; ``FarmError`` where the engine is at fault, or the time is over.
    """
    with told(work.what):
        container = engine.client.containers.create(
            work.base,
            ["timeout", str(_PATIENCE), "sh", "-ec", work.script],
            entrypoint=[],
            user="0:0",
            working_dir="/",
            init=True,
            network_mode=work.network,
            tmpfs=dict(work.scratch),
            labels=work.labels.written,
        )
    try:
        with told(work.what):
            for folder, tar in archives:
                container.put_archive(folder, tar)
            with _watched(container, work.stop):
                tail = _run(container, sink)
            code = int(container.wait()["StatusCode"])
        if work.stop():
            raise Stopped(work.what)
        if code == _LATE:
            said = "\n".join(tail)
            raise FarmError(f"could not {work.what}: no end after {_PATIENCE} s; it said last:\n{said}")
        if code:
            raise Failed(work.what, code, tail)
        yield container
    finally:
        put_away(container)


def commit(engine: Engine, container: Container, base: str, labels: Mapping[str, str], tag: str, *tags: str) -> str:
    """Keep a container as an image with those labels and tags; how it starts is as in ``base``. Answers the id.

    At no time is it there without the first tag.
    """
    with told("keep what was made"):
        settings: dict[str, Any] = engine.client.images.get(base).attrs["Config"]
        kept = {key: settings.get(key) for key in ("Entrypoint", "Env", "User", "WorkingDir")}
        # An engine fills in from the container what is empty here: its command, and each of its labels.
        written = {**dict.fromkeys(LABELS, ""), **labels}
        conf = {**kept, "Cmd": settings.get("Cmd") or ["/bin/sh"], "Labels": written}
        repository, _, name = tag.rpartition(":")
        made = container.commit(repository, name, conf=conf, pause=False)
        for each in tags:
            repository, _, name = each.rpartition(":")
            made.tag(repository, name)
    return str(made.id)


def put_away(container: Container) -> None:
    """Remove a container, where the engine lets us; else a sweep does, for its labels say whose it was."""
    with contextlib.suppress(*FAULTS):
        container.remove(force=True, v=True)


def abandon(engine: Engine) -> None:
    """Remove every such container of this process, that too whose making was interrupted before we knew of it: whoever
    waits for one is told that it failed.
    """
    mine = ours("", "making")
    with contextlib.suppress(*FAULTS):
        for container in engine.client.containers.list(all=True, filters={"label": mine.filters["label"]}):
            put_away(container)


@contextlib.contextmanager
def _watched(container: Container, stop: Stop) -> Iterator[None]:
    """Meanwhile a thread asks ``stop``, and kills the container when it says so."""
    over = threading.Event()

    def watch() -> None:
        while not over.wait(_ASK_EVERY):
            if stop():
                with contextlib.suppress(*FAULTS):  # it has not started yet, or has ended
                    container.kill()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    finally:
        over.set()
        watching.join()


def _run(container: Container, sink: Sink) -> tuple[str, ...]:
    """Start it and hear it to its end; its last lines."""
    wanted = {"stdout": 1, "stderr": 1, "logs": 1, "stream": 1}
    with contextlib.closing(connection(container.attach_socket(params=wanted))) as joint:
        container.start()
        last = b""
        for _, chunk in frames(joint):
            sink(chunk)
            last = (last + chunk)[-16384:]
    return tuple(last.decode("utf-8", "replace").splitlines()[-TAIL:])
