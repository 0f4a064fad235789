"""The commands of replication: follow a primary, and take over from it."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, open_here, print_json, settings_of, site_options, some_span

if TYPE_CHECKING:
    from buildfarm.model.standing import Standing


@click.group(
    invoke_without_command=True,
    epilog=examples(
        "buildfarm replica --from https://packages.example --token-env TOKEN",
        "buildfarm replica --from https://packages.example --once",
        "buildfarm replica promote",
    ),
)
@click.option("--from", "url", metavar="URL", help="The server to follow, without any path.")
@click.option("--token-env", default="", metavar="VAR", help="The variable that holds a token to read every index.")
@click.option("--once", is_flag=True, help="End when all is here that the primary has.")
@click.option(
    "--every", default="10s", show_default=True, metavar="TIME", callback=some_span, help="How often to ask for news."
)
@JSON
@site_options
@click.pass_context
def replica(context: click.Context, url: str | None, token_env: str, once: bool, every: float, as_json: bool) -> None:
    """Make this home a replica of another server.

    Files come first, then events, then pages: killed at any moment, it has every file that a page of it links to. A
    replica only reads: `buildfarm serve` answers uploads with 503 and the primary's URL. Tokens are not replicated.
    Without --from it says where this home stands.
    """
    if context.invoked_subcommand:
        return
    from buildfarm.app.replication import follow, open_primary
    from buildfarm.farm.replicate import replicate

    settings = settings_of(context.obj)
    with open_here(settings) as site:
        if url:
            with open_primary(url, token_env, settings, os.environ) as primary:
                if not once:
                    follow(site.farm, primary, every, lambda line: click.echo(line, err=True))
                replicate(site.farm, primary)
        _tell(site.farm.replication.standing(), as_json)


@replica.command()
@JSON
@site_options
@click.pass_obj
def promote(options: dict[str, str], as_json: bool) -> None:
    """Let this home write from now on, in place of its primary.

    A new epoch begins: the old primary refuses to write as soon as it is told of it, by `buildfarm replica --from URL`
    there with the URL of this one. Make sure that it does not run until then.
    """
    with open_here(settings_of(options)) as site:
        _tell(site.farm.replication.promote(), as_json)


def _tell(standing: Standing, as_json: bool) -> None:
    from buildfarm.app.replication import described

    if as_json:
        print_json({"epoch": standing.epoch, "primary": standing.primary, "serial": standing.serial})
    else:
        click.echo(described(standing))
