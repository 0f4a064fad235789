"""The commands that ask the ledger: status, logs, cancel, why."""

from __future__ import annotations

import sys

import click

from buildfarm.app.options import JSON, log_to, open_here, print_json, settings_of, site_options


@click.command()
@JSON
@site_options
@click.pass_obj
def status(options: dict[str, str], as_json: bool) -> int:
    """Show open requests and what every job came to."""
    from rich.console import Console

    from buildfarm.app import overview

    with open_here(settings_of(options)) as site:
        if as_json:
            print_json(overview.status_json(site))
        else:
            overview.status_table(site, Console())
    return 0


@click.command()
@click.argument("job", metavar="JOB|PROJECT")
@JSON
@site_options
@click.pass_obj
def logs(options: dict[str, str], job: str, as_json: bool) -> int:
    """Print the log of a job's last attempt.

    JOB is the beginning of its key, or a project's name.
    """
    from buildfarm.app import overview
    from buildfarm.farm.find import find_jobs

    with open_here(settings_of(options)) as site:
        rows = [row for row in find_jobs(site.farm, job) if row.log]
        if as_json:
            print_json({"logs": [overview.log_json(site, row) for row in rows]})
        else:
            for row in rows:
                click.echo(f"== {overview.title(row)} ({site.log.where(row.log)})", err=True)
                log_to(sys.stdout)(site.log.read(row.log).removesuffix(b"\n") + b"\n")
    if not rows:
        click.echo(f"nothing of {job!r} was run yet; `buildfarm build` runs it", err=True)
    return 0 if rows else 1


@click.command()
@click.argument("job", metavar="JOB|PROJECT")
@site_options
@click.pass_obj
def cancel(options: dict[str, str], job: str) -> int:
    """Cancel unfinished jobs.

    JOB is the beginning of a key, or a project's name. A new build asks for them again.
    """
    from buildfarm.app import overview
    from buildfarm.farm.find import find_jobs

    with open_here(settings_of(options)) as site:
        rows = [row for row in find_jobs(site.farm, job) if site.farm.jobs.cancel(row.job.key, "local")]
    for row in rows:
        click.echo(f"cancelled {overview.title(row)}", err=True)
    if not rows:
        click.echo(f"every job of {job!r} has ended already", err=True)
    return 0 if rows else 1


@click.command()
@click.argument("wanted", metavar="FILE|PROJECT|SHA256|JOB")
@JSON
@site_options
@click.pass_obj
def why(options: dict[str, str], wanted: str, as_json: bool) -> None:
    """Print every input of a wheel, its tests, and where it went.

    Of a file that was not built here: how it came, and what happened to it.
    """
    from rich.console import Console

    from buildfarm.app import overview
    from buildfarm.farm.why import why as ask

    with open_here(settings_of(options)) as site:
        stories, arrivals = ask(site.farm, wanted)
        if as_json:
            wheels = [overview.story_json(site, story) for story in stories]
            print_json({"wheels": wheels, "arrivals": [overview.arrival_json(arrival) for arrival in arrivals]})
            return
        for story in stories:
            overview.story_text(site, story, Console())
        for arrival in arrivals:
            overview.arrival_text(arrival, Console())
