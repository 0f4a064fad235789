"""The command that answers for what an index lacks: opt-in, beside the server, never part of it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from buildfarm.app.listening import listens, say
from buildfarm.app.options import examples, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.app.server.running import Place, Report

_PORT = 8430


@click.command(epilog=examples("buildfarm proxy --index company/dev --to https://index.example/simple/"))
@click.option("--index", required=True, metavar="NAME", help="The index that is asked first.")
@click.option(
    "--to", "urls", multiple=True, required=True, metavar="URL", help="A simple index; the first that has it counts."
)
@listens(_PORT)
@site_options
@click.pass_obj
def proxy(options: dict[str, str], index: str, urls: tuple[str, ...], place: Place, heard: Report | None) -> None:
    """Answer for an index, and from elsewhere for what it lacks.

    For hosts that must install what nobody looked at. Names that are reserved, or that any internal index owns, are
    never asked for elsewhere. Until Ctrl-C; `buildfarm serve` and the pages of the index know nothing of it.
    """
    from buildfarm.app.proxying import open_proxy
    from buildfarm.model.url import redacted

    if wrong := [url for url in urls if not url.startswith(("http://", "https://"))]:
        raise click.BadParameter(f"{', '.join(wrong)}: the URL of a simple index", param_hint="--to")
    with open_proxy(settings_of(options), os.environ, place, index, urls, say, heard) as server:
        whence = redacted(", ".join(urls))
        say(f"warning: a proxy. What {index} lacks is answered from {whence}, whoever made it; nobody looked at it")
        say(f"  pip install --index-url {server.url}/{index}/simple/ NAME")
        server.run()
