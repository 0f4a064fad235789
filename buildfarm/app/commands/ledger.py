"""The commands that ask the ledger: status, logs, cancel, why."""

from __future__ import annotations

import click

from buildfarm.app.options import JSON, open_here, print_json, settings_of, site_options


@click.command()
@JSON
@site_options
@click.pass_obj
def status(options: dict[str, str], as_json: bool) -> int:
    """Show open requests and what every job of the ledger came to."""
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
    """Print the log of a job's last attempt; JOB is the beginning of its key, or a project's name."""
    from buildfarm.app import overview

    with open_here(settings_of(options)) as site:
        rows = [row for row in overview.find_jobs(site, job) if row.log]
        if as_json:
            print_json({"logs": [overview.log_json(site, row) for row in rows]})
            return 0 if rows else 1
        for row in rows:
            click.echo(f"== {overview.title(row)} ({site.log.where(row.log)})", err=True)
            click.echo(site.log.read(row.log).decode("utf-8", "replace"), nl=False)
    if not rows:
        click.echo(f"no attempt of {job!r} is known; `buildfarm status` lists every job with its key", err=True)
    return 0 if rows else 1


@click.command()
@click.argument("job", metavar="JOB|PROJECT")
@site_options
@click.pass_obj
def cancel(options: dict[str, str], job: str) -> int:
    """Cancel unfinished jobs; JOB is the beginning of a key, or a project's name. A new build asks for them again."""
    from buildfarm.app import overview

    with open_here(settings_of(options)) as site:
        rows = [row for row in overview.find_jobs(site, job) if site.farm.jobs.cancel(row.job.key, "local")]
    for row in rows:
        click.echo(f"cancelled {overview.title(row)}", err=True)
    if not rows:
        click.echo(f"no unfinished job of {job!r} is known; `buildfarm status` lists every job with its key", err=True)
    return 0 if rows else 1


@click.command()
@click.argument("wheel", metavar="WHEEL|PROJECT|SHA256|JOB")
@JSON
@site_options
@click.pass_obj
def why(options: dict[str, str], wheel: str, as_json: bool) -> int:
    """Print every input of a wheel, what tested it, and where it went."""
    from rich.console import Console

    from buildfarm.app import overview
    from buildfarm.farm.why import why as ask

    with open_here(settings_of(options)) as site:
        stories = ask(site.farm, wheel)
        if as_json:
            print_json({"wheels": [overview.story_json(site, story) for story in stories]})
        else:
            for story in stories:
                overview.story_text(site, story, Console())
    if not stories:
        click.echo(f"the ledger knows no wheel {wheel!r}; `buildfarm status` lists what it knows", err=True)
    return 0 if stories else 1
