"""A running container, and how our programs are started in it."""

from __future__ import annotations

import io
import marshal
import tarfile
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from docker.errors import NotFound

from buildfarm.adapters.container.engine import Engine
from buildfarm.adapters.container.inside import program
from buildfarm.adapters.container.stream import Stream

SHIM = program("dumpable", "output", "watch", "shim")
"""The program that runs a command in a container: ``inside/shim.py``."""


def marshalled(order: Mapping[str, object]) -> bytes:
    """An order for the shim, in a form that every Python 3 reads."""
    return marshal.dumps(dict(order), 2)


@dataclass(frozen=True, slots=True, kw_only=True)
class Inside:
    """A running container on its engine, and the Python in it that runs what is ours."""

    engine: Engine
    container: str
    interpreter: str

    def ask(self, order: Mapping[str, object]) -> Stream:
        """Start the shim with an order. Raises what the client raises."""
        stream = Stream(self.engine, self.container, self.argv(SHIM))
        stream.send(marshalled(order))
        return stream

    def argv(self, *program: str) -> tuple[str, ...]:
        """The argv that starts one of our programs: its source, and its arguments."""
        return (self.interpreter, "-I", "-S", "-c", *program)

    def state(self) -> Mapping[str, Any]:
        """What the engine knows of it. Raises what the client raises."""
        found: Mapping[str, Any] = self.engine.client.api.inspect_container(self.container)["State"]
        return found

    def read(self, path: str, most: int) -> bytes | None:
        """A file of its volume; None where there is none. Raises what the client raises."""
        try:
            chunks, _ = self.engine.client.api.get_archive(self.container, path)
        except NotFound:
            return None
        packed = io.BytesIO()
        for chunk in chunks:
            packed.write(chunk)
            if packed.tell() > most + (1 << 16):
                return None
        packed.seek(0)
        with tarfile.open(fileobj=packed) as archive:
            member = archive.next()
            content = archive.extractfile(member) if member and member.isreg() else None
            return content.read() if content else None
