"""The commands for whoever installs from an index: the configuration of its client, a look at its server."""

from __future__ import annotations

import os
from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.app.settings import Settings

CLIENTS = ("pip", "uv", "pipenv", "poetry", "pdm", "twine")


@click.command(
    "client-config",
    epilog=examples(
        "buildfarm client-config pip --index main --url https://packages.example",
        "buildfarm client-config uv --index company/dev --file pyproject.toml",
        "buildfarm client-config twine --index company/dev --extra-index company/qa",
    ),
)
@click.argument("client", type=click.Choice(CLIENTS))
@click.option("--index", metavar="NAME", help="The index to install from (default: main).")
@click.option("--url", metavar="URL", help="The server as hosts reach it (default: the setting url).")
@click.option("--extra-index", multiple=True, metavar="NAME|URL", help="Another index beside it. Read the warning.")
@click.option("--token-env", default="", metavar="VAR", help="The variable that will hold the token. None is printed.")
@click.option("--cert", default="", metavar="FILE", help="The CA bundle of the server, as hosts find it.")
@click.option("--trusted-host", is_flag=True, help="Check no certificate: only where there is no CA.")
@click.option("--file", "name", metavar="NAME", help="Of several forms the one in this file: pyproject.toml.")
@JSON
@site_options
@click.pass_obj
def client_config(
    options: dict[str, str],
    client: str,
    index: str | None,
    url: str | None,
    extra_index: tuple[str, ...],
    token_env: str,
    cert: str,
    trusted_host: bool,
    name: str | None,
    as_json: bool,
) -> None:
    """Print the configuration of a client for an index.

    Its comments say where it goes, and where a token goes, which is never printed.
    """
    from buildfarm.app.client_config.asked import asked
    from buildfarm.app.client_config.clients import CLIENTS as FILES

    settings = settings_of(options, index=index)
    if url is None:
        _look_at_home(settings, (settings.index, *extra_index))
    wish = asked(
        settings.url if url is None else url,
        settings.index,
        extra_index,
        token_env=token_env,
        cert=cert,
        trusted_host=trusted_host,
    )
    files = FILES[client](wish)
    if as_json:
        plain = [{"name": each.name, "places": each.places, "text": each.text} for each in files]
        print_json({"client": client, "files": plain})
        return
    found = [each for each in files if name in (None, each.name)]
    if not found:
        raise click.BadParameter(f"{client} has {', '.join(each.name for each in files)}", param_hint="--file")
    click.echo(found[0].text, nl=False)


def _look_at_home(settings: Settings, names: Iterable[str]) -> None:
    """Where the server is that of this home, its indexes are known; where nobody said so, it may be another."""
    from buildfarm.app.home import open_ledger
    from buildfarm.model.errors import FarmError
    from buildfarm.model.index import awaited

    known = frozenset[str]()
    with suppress(FarmError, OSError):  # of a home that is not ours to open nothing is known
        if settings.ledger.exists():
            with open_ledger(settings) as ledger:
                known = frozenset(ledger.events.indexes())
    unknown = [name for name in names if known and "://" not in name and name not in known]
    if unknown:
        there = ", ".join(sorted(each for each in known if not awaited(each)))
        raise click.UsageError(
            f"there is no index {', '.join(map(repr, unknown))} in {settings.home}, which has {there}; "
            "for another server say --url"
        )
    if settings.origins["url"] == "default":
        said = f"for a server on this machine, {settings.url}; --url, or `url:` in farm.yaml, says another"
        click.echo(said, err=True)


@click.command("doctor", epilog=examples("buildfarm index doctor https://packages.example/company/dev"))
@click.argument("url")
@click.option("--project", default="", metavar="NAME", help="The project to look at (default: the first).")
@click.option("--token-env", default="", metavar="VAR", help="The variable that holds a token to read the index.")
@JSON
@site_options
@click.pass_obj
def index_doctor(options: dict[str, str], url: str, project: str, token_env: str, as_json: bool) -> int:
    """Look at an index server from outside, of whatever kind.

    A line for each thing that clients rely on; below what is lacking what follows from that, and what to do. Exit code
    0: nothing is lacking; 1: something is.
    """
    from rich.console import Console

    from buildfarm.app.fetching import pip_config
    from buildfarm.app.outside.examine import examine, root_of, show, to_plain

    if token_env and not os.environ.get(token_env):
        raise click.BadParameter(f"{token_env} is not set, or empty", param_hint="--token-env")
    config = pip_config(settings_of(options), os.environ)
    observed = examine(root_of(url), project, os.environ.get(token_env, ""), config)
    if as_json:
        print_json(to_plain(url, observed))
    else:
        show(observed, Console())
    return 0 if all(each.ok for each in observed) else 1
