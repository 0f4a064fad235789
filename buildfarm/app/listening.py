"""Commands that answer until Ctrl-C: where they listen, and who hears of what they answer."""

from __future__ import annotations

import signal
import time
from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


def say(line: str) -> None:
    """A line on standard error."""
    click.echo(line, err=True)


def _say_when(line: str) -> None:
    """The same, and when by this machine's clock."""
    say(f"{time.strftime('%Y-%m-%d %H:%M:%S')} {line}")


def listens(default: int) -> Callable[[Callable[..., None]], Callable[..., int]]:
    """Where the command listens, by default at that port, as its ``place``; ``heard`` (or None) is told every request.

    It runs until SIGTERM or Ctrl-C, which are its ordinary end: exit code 130.
    """
    options = (
        click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS"),
        click.option("--port", default=default, show_default=True, type=click.IntRange(0, 65535)),
        click.option(
            "--certfile", type=_FILE, metavar="FILE", help="A certificate (PEM, with its chain): serve HTTPS."
        ),
        click.option("--keyfile", type=_FILE, metavar="FILE", help="Its key (PEM), if that is in a file of its own."),
        click.option("--access-log/--no-access-log", default=True, show_default=True, help="A line for each request."),
    )

    def of(command: Callable[..., None]) -> Callable[..., int]:
        @wraps(command)
        def listening(
            *context: Any,
            bind: str,
            port: int,
            certfile: Path | None,
            keyfile: Path | None,
            access_log: bool,
            **more: Any,
        ) -> int:
            if keyfile and not certfile:
                raise click.UsageError("--keyfile is the key of a certificate: say --certfile too")
            from buildfarm.app.server.running import Place

            place = Place(bind=bind, port=port, certfile=certfile, keyfile=keyfile)
            signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end in order, like Ctrl-C
            try:
                command(*context, place=place, heard=_say_when if access_log else None, **more)
            except KeyboardInterrupt:  # its ordinary end
                return 130
            return 0

        made: Callable[..., int] = listening
        for option in reversed(options):
            made = option(made)
        return made

    return of
