"""The commands about this machine: its server, its settings, and its health."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from buildfarm.app.listening import listens, say
from buildfarm.app.options import JSON, PORT, examples, print_json, screen_here, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.app.server.running import Place, Report

_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)


@click.command(
    epilog=examples(
        "buildfarm serve",
        "buildfarm serve --bind 0.0.0.0 --port 443 --certfile host.pem",
    )
)
@listens(PORT)
@click.option(
    "-j", "--jobs", type=click.IntRange(0), metavar="N", help="Tests of uploads at once (default: jobs); 0: none here."
)
@site_options
@click.pass_obj
def serve(options: dict[str, str], place: Place, heard: Report | None, jobs: int | None) -> None:
    """Serve the indexes of the home, and take uploads.

    Pages and files for pip and uv, pages for people, uploads by twine and uv publish with a token. Until Ctrl-C.
    """
    from buildfarm.app.server import running

    settings = settings_of(options)
    jobs = settings.jobs if jobs is None else jobs
    with running.IndexServer(settings, os.environ, place, jobs=jobs, report=say, heard=heard) as server:
        running.serve(server, say)


@click.group()
def config() -> None:
    """Look at the settings."""


@config.command()
@JSON
@site_options
@click.pass_obj
def show(options: dict[str, str], as_json: bool) -> int:
    """Show every setting and where its value came from.

    The parts of the home too, and what pip is configured to.
    """
    from rich.console import Console

    from buildfarm.app import configuration

    document = configuration.to_plain(settings_of(options), os.environ)
    if as_json:
        print_json(document)
    else:
        configuration.show(document, Console())
    return 0


@click.command()
@click.option("--fix", is_flag=True, help="Do all that needs no root: tools, headers, sandbox, zig's caches.")
@click.option("--client", is_flag=True, help="Where would packages come from that are installed here?")
@click.option("--root", default="/", metavar="DIR", type=_FOLDER, help="With --client: the files of another machine.")
@click.argument("names", nargs=-1, metavar="[NAME]...")
@JSON
@site_options
@click.pass_obj
def doctor(options: dict[str, str], fix: bool, client: bool, root: Path, names: tuple[str, ...], as_json: bool) -> int:
    """Say what this machine can build, and what is missing.

    With the command that brings what is missing. Takes at most five seconds, and changes nothing without --fix. Exit
    code 0: something can be built; 1: nothing can; 3: the farm is broken.

    With --client: what pip, uv, pipenv, poetry and pdm are configured to, from which index each would take a NAME, and
    where somebody else could put one. Exit code 1: somebody could.
    """
    if client:
        return _client(options, root, names, as_json)
    if names or root != Path("/"):
        raise click.UsageError("names and --root go with --client")
    from rich.console import Console

    from buildfarm.app.doctor.examine import examine
    from buildfarm.app.doctor.mend import mend
    from buildfarm.app.doctor.patient import Patient
    from buildfarm.app.doctor.show import show

    patient = Patient(settings=settings_of(options), environ=os.environ)
    if fix:
        with screen_here(None) as screen:
            mend(patient, screen)
    report = examine(patient)
    if as_json:
        print_json(report.to_plain())
    else:
        show(report, Console())
    return report.exit_code


def _client(options: dict[str, str], root: Path, names: tuple[str, ...], as_json: bool) -> int:
    import sys

    from rich.console import Console

    from buildfarm.app.doctor.client import host_at, judge, show, to_plain
    from buildfarm.app.fetching import pip_config

    here = host_at(root.resolve(), Path.home(), Path.cwd(), Path(sys.prefix), os.environ)
    report = judge(here, names, pip_config(settings_of(options), os.environ))
    if as_json:
        print_json(to_plain(report))
    else:
        show(report, Console())
    return report.exit_code
