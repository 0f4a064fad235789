"""A command in a container that a person talks to: its terminal, or its streams, joined to the person's own."""

from __future__ import annotations

import contextlib
import os
import select
import sys
import threading
from collections.abc import Iterator, Mapping

from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.running import SHIM, Inside, marshalled
from buildfarm.adapters.container.stream import Connection, frames
from buildfarm.adapters.host.terminal import joined

_CHUNK = 65536


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
        connection = Connection(api.exec_start(made, tty=on_terminal, socket=True))
        with contextlib.closing(connection):
            if on_terminal:
                with joined(lambda size: api.exec_resize(made, height=size[0], width=size[1])):
                    _converse(connection, _raw(connection))
            else:
                _converse(connection, frames(connection))
        code = int(api.exec_inspect(made)["ExitCode"])
    return 128 - code if code > 128 else code


def _raw(connection: Connection) -> Iterator[tuple[int, bytes]]:
    while data := connection.read(_CHUNK):
        yield 1, data


def _converse(connection: Connection, heard: Iterator[tuple[int, bytes]]) -> None:
    """Both ways, until nothing more comes."""
    ended, end = os.pipe()
    speaking = threading.Thread(target=_speak, args=(connection, ended), daemon=True)
    speaking.start()
    try:
        for stream, data in heard:
            while data:
                data = data[os.write(stream, data) :]  # noqa: PLW2901 - what is left of it
    finally:
        os.close(end)
        speaking.join()
        os.close(ended)


def _speak(connection: Connection, ended: int) -> None:
    """What the person says goes in, until the conversation is ended."""
    stdin = sys.stdin.fileno()
    while True:
        ready, _, _ = select.select([stdin, ended], [], [])
        if ended in ready:
            return
        keys = os.read(stdin, _CHUNK)
        with contextlib.suppress(OSError):
            connection.send(keys)
        if not keys:
            connection.end()
            return
