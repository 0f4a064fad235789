"""A command in a container that a person talks to: its terminal, or its streams, joined to the person's own."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator, Mapping

from buildfarm.adapters.container.connection import CHUNK, Connection, connection
from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.running import SHIM, Inside, marshalled
from buildfarm.adapters.container.stream import frames
from buildfarm.adapters.host.terminal import joined


def converse(inside: Inside, order: Mapping[str, object]) -> int:
    """Carry the order out with the standard streams of this process; the exit code, negative for a signal.

    Where those are a terminal the command gets one of its own, as large, and every key goes to it.
    """
    api = inside.engine.client.api
    on_terminal = sys.stdin.isatty() and sys.stdout.isatty()
    said = {"BUILDFARM_ORDER": marshalled(order).hex()}
    with told("run a command for a person"):
        made = api.exec_create(
            inside.container, list(inside.argv(SHIM)), stdin=True, tty=on_terminal, environment=said, workdir="/"
        )["Id"]
        with contextlib.closing(connection(api.exec_start(made, tty=on_terminal, socket=True))) as joint:
            if on_terminal:
                with joined(lambda size: api.exec_resize(made, height=size[0], width=size[1])):
                    _converse(joint, _raw(joint))
            else:
                _converse(joint, frames(joint))
        code = int(api.exec_inspect(made)["ExitCode"])
    return 128 - code if code > 128 else code


def _raw(joint: Connection) -> Iterator[tuple[int, bytes]]:
    while data := joint.read():
        yield 1, data


def _converse(joint: Connection, heard: Iterator[tuple[int, bytes]]) -> None:
    """Both ways, until nothing more comes."""
    ended, end = os.pipe()
    speaking = threading.Thread(target=_speak, args=(joint, ended), daemon=True)
    speaking.start()
    try:
        for stream, data in heard:
            while data:
                data = data[os.write(stream, data) :]  # noqa: PLW2901 - what is left of it
    finally:
        os.close(end)
        speaking.join()
        os.close(ended)


def _speak(joint: Connection, ended: int) -> None:
    """What the person says goes in, until the conversation is ended."""
    stdin = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([stdin, ended], [], [])
        if ended in ready:
            return
        keys = os.read(stdin, CHUNK)
        with contextlib.suppress(OSError):
            joint.send(keys)
        if not keys:
            joint.end()
            return
