"""The command that answers for what an index lacks: opt-in, beside the server, never part of it."""

from __future__ import annotations

import os
from pathlib import Path

import click

from buildfarm.app.options import examples, settings_of, site_options

_PORT = 8430
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command(epilog=examples("buildfarm proxy --index company/dev --to https://index.example/simple/"))
@click.option("--index", required=True, metavar="NAME", help="The index that is asked first.")
@click.option(
    "--to", "urls", multiple=True, required=True, metavar="URL", help="A simple index; the first that has it counts."
)
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--port", default=_PORT, show_default=True, type=click.IntRange(0, 65535))
@click.option("--certfile", type=_FILE, metavar="FILE", help="A certificate (PEM, with its chain): serve HTTPS.")
@click.option("--keyfile", type=_FILE, metavar="FILE", help="Its key (PEM), if that is in a file of its own.")
@click.option("--access-log/--no-access-log", default=True, show_default=True, help="A line for each request.")
@site_options
@click.pass_obj
def proxy(
    options: dict[str, str],
    index: str,
    urls: tuple[str, ...],
    bind: str,
    port: int,
    certfile: Path | None,
    keyfile: Path | None,
    access_log: bool,
) -> int:
    """Answer for an index, and from elsewhere for what it lacks.

    For hosts that must install what nobody looked at. Names that are reserved, or that any internal index owns, are
    never asked for elsewhere. Until Ctrl-C; `buildfarm serve` and the pages of the index know nothing of it.
    """
    import signal

    from buildfarm.app.proxying import run_proxy
    from buildfarm.app.server.running import Place

    if keyfile and not certfile:
        raise click.UsageError("--keyfile is the key of a certificate: say --certfile too")
    if wrong := [url for url in urls if not url.startswith(("http://", "https://"))]:
        raise click.BadParameter(f"{', '.join(wrong)}: the URL of a simple index", param_hint="--to")
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # an end in order, like Ctrl-C
    place = Place(bind=bind, port=port, certfile=certfile, keyfile=keyfile)
    try:
        run_proxy(settings_of(options), os.environ, place, index, urls, _say, _say if access_log else None)
    except KeyboardInterrupt:  # its ordinary end
        return 130
    return 0


def _say(line: str) -> None:
    click.echo(line, err=True)
