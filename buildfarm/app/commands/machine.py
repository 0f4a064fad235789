"""The commands about this machine: its server, its settings, and its health."""

from __future__ import annotations

import os

import click

from buildfarm.app.options import JSON, PORT, print_json, screen_here, settings_of, site_options


@click.command()
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--port", default=PORT, show_default=True, type=click.IntRange(0, 65535))
@site_options
@click.pass_obj
def serve(options: dict[str, str], bind: str, port: int) -> int:
    """Serve the indexes of the home, for pip and uv on this machine."""
    from buildfarm.app.serve import serve as run

    settings = settings_of(options)
    try:
        run(settings.tree, bind=bind, port=port, report=lambda line: click.echo(line, err=True))
    except KeyboardInterrupt:  # its ordinary end
        return 130
    return 0


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
@JSON
@site_options
@click.pass_obj
def doctor(options: dict[str, str], fix: bool, as_json: bool) -> int:
    """Say what this machine can build, and what is missing.

    With the command that brings what is missing. Takes at most five seconds, and changes nothing without --fix. Exit
    code 0: something can be built; 1: nothing can; 3: the farm is broken.
    """
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
