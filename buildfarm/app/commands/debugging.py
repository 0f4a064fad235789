"""The commands that run a job's attempt once more: debug looks into it, reproduce compares it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import click

from buildfarm.app.options import JSON, examples, log_to, open_here, print_json, settings_of, site_options

if TYPE_CHECKING:
    from buildfarm.model.errors import StepFailed
    from buildfarm.ports import Session


@click.command(epilog=examples("buildfarm debug ujson", "buildfarm debug 3f9a --command 'ls -l build'"))
@click.argument("job", metavar="JOB|PROJECT")
@click.option("--command", metavar="COMMAND", help="Run this line there instead of a shell.")
@site_options
@click.pass_obj
def debug(options: dict[str, str], job: str, command: str | None) -> int:
    """Open a shell in the session of a failed job.

    At the command that failed: the attempt is made again, from the same inputs and in the same sandbox, up to its end.
    JOB is the beginning of a key, or a project's name. When you leave, the session is gone; the ledger knows nothing of
    it.
    """
    import os

    from buildfarm.app import again
    from buildfarm.app.harmless import harmless_lines
    from buildfarm.app.overview import title
    from buildfarm.model.session import Command

    code = 0

    def visit(session: Session, failed: StepFailed | None) -> None:
        nonlocal code
        last = again.last_command(session)
        said, colour = (harmless_lines(str(failed)), "red") if failed else ("It did not fail this time.", "green")
        click.secho(f"\n{said}", fg=colour, err=True)
        click.echo(f"The last command, in {last.cwd}:\n  $ {again.as_line(last)}", err=True)
        if command is None:
            click.echo(
                f"You are in its session ({session.isolation}); `exit` ends it, and all of it is gone.", err=True
            )
        argv = ("sh", "-c", command) if command is not None else again.SHELL
        env = {"TERM": os.environ.get("TERM", "dumb"), "PS1": f"{row.job.project} \\w $ ", **last.env}
        code = session.interact(Command(argv=argv, cwd=last.cwd, what="talk to a person", env=env))

    with open_here(settings_of(options)) as site:
        row = again.find(site, job)
        click.echo(f"{title(row)}: its attempt is made again …", err=True)
        again.repeat(site, row, again.Lingering(site.runner, visit), lambda _: None)
    return code if code >= 0 else 128 - code


@click.command()
@click.argument("job", metavar="JOB|PROJECT")
@JSON
@site_options
@click.pass_obj
def reproduce(options: dict[str, str], job: str, as_json: bool) -> int:
    """Make a job's attempt again: does it end the same?

    The same inputs, a session of its own, its output live on standard error; the ledger is not changed. Exit code 0:
    it ended as recorded, a wheel with the same bytes; 1: it did not. JOB is the beginning of a key, or a project.
    """
    from buildfarm.app import again, comparing
    from buildfarm.app.harmless import harmless_lines

    settings = settings_of(options)
    with open_here(settings) as site:
        row = again.find(site, job)
        line = again.call(settings, "reproduce", row.job.key)
        click.echo(f"$ {line}", err=True)
        sink = log_to(sys.stderr)
        now = again.repeat(site, row, site.runner, sink)
        sink(b"\n")
        found = comparing.compare(row.outcome, now, site.farm.store)
    if as_json:
        print_json(comparing.comparison_json(row, now, found, line))
    else:
        click.echo(harmless_lines(found.sentence))
        for each in found.differs:
            click.echo(harmless_lines(f"  differs: {each}"))
    return 0 if found.same else 1
