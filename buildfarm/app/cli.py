"""The command line: its commands in one group, and the single top-level catcher."""

from __future__ import annotations

import os
import sys
import traceback
from typing import NoReturn

import click

from buildfarm import __version__
from buildfarm.app.commands.admission import admit, disown
from buildfarm.app.commands.building import build, plan
from buildfarm.app.commands.clients import client_config
from buildfarm.app.commands.debugging import debug, reproduce
from buildfarm.app.commands.documents import docs
from buildfarm.app.commands.exchange import import_, publish
from buildfarm.app.commands.images import image
from buildfarm.app.commands.indexes import index
from buildfarm.app.commands.ledger import cancel, logs, status, why
from buildfarm.app.commands.machine import config, doctor, serve
from buildfarm.app.commands.proxy import proxy
from buildfarm.app.commands.recipes import recipe
from buildfarm.app.commands.releases import delete, mark, promote, quarantine, unquarantine, unyank, yank
from buildfarm.app.commands.replica import replica
from buildfarm.app.commands.tokens import token
from buildfarm.app.commands.verifying import verify
from buildfarm.app.options import examples, site_options


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog=examples(
        "buildfarm doctor",
        "buildfarm build markupsafe",
        "buildfarm serve",
        "pip install --index-url http://127.0.0.1:8420/main/simple/ markupsafe",
    ),
)
@site_options
@click.version_option(__version__)
def cli() -> None:
    """Turn recipes into repaired, verified, tested wheels on your own index, exactly once, and say why."""


for command in (build, plan, recipe, status, logs, cancel, why, debug, reproduce, serve, config, doctor, verify, image):
    cli.add_command(command)
for command in (admit, disown, client_config, docs, import_, proxy, publish, replica, token):
    cli.add_command(command)
for command in (index, promote, yank, unyank, quarantine, unquarantine, mark, delete):
    cli.add_command(command)


def main() -> int:
    """Run the command line; every error becomes a message and an exit code here, and nowhere else."""
    from buildfarm.model.errors import BuildfarmError

    try:
        return int(cli.main(standalone_mode=False, prog_name="buildfarm") or 0)
    except (click.exceptions.Abort, KeyboardInterrupt):  # click makes the one of the other
        click.echo("interrupted: jobs went back to the queue; the same command goes on from there", err=True)
        return 130
    except click.ClickException as error:
        error.show()
        return 2
    except BuildfarmError as error:
        from buildfarm.app.harmless import harmless_lines

        message = harmless_lines(str(error))
        click.echo(message if error.exit_code == 2 else f"error: {message}", err=True)
        return error.exit_code
    except BrokenPipeError:
        sys.stderr.close()
        return 1
    except Exception as error:  # noqa: BLE001 - whatever it is, a person gets a sentence and the developers a traceback
        traceback.print_exc()
        click.echo(
            f"error: this is a fault of buildfarm itself ({type(error).__name__}); please report the lines above",
            err=True,
        )
        return 3


def run() -> NoReturn:
    """``main`` as a process."""
    leave(main())


def leave(code: int) -> NoReturn:
    """End the process with that exit code, or with 1 where 0 was meant and what was said cannot be written.

    Python is not finalised: that unwinds whatever threads are still at work, such as one that warms a cache, and where
    one is inside a module written in Rust (an import of docker's client can be) the process aborts.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError):  # nobody listens, or it is closed
            code = code or 1
    os._exit(code)
