"""The commands about this machine: its server and its settings."""

from __future__ import annotations

import click

from buildfarm.app.options import JSON, print_json, settings_of, site_options


@click.command()
@click.option("--bind", default="127.0.0.1", show_default=True, metavar="ADDRESS")
@click.option("--port", default=8420, show_default=True, type=click.IntRange(0, 65535))
@site_options
@click.pass_obj
def serve(options: dict[str, str], bind: str, port: int) -> int:
    """Serve the indexes of the home, for pip and uv on this machine."""
    from buildfarm.app.serve import serve as run

    settings = settings_of(options)
    try:
        run(settings.home / "index", bind=bind, port=port, report=lambda line: click.echo(line, err=True))
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
    """Show every setting and where its value came from."""
    from buildfarm.adapters.pip_config import redacted

    settings = settings_of(options)
    values = {name: redacted(str(getattr(settings, name))) for name in settings.origins}
    if as_json:
        print_json({name: {"value": value, "from": settings.origins[name]} for name, value in values.items()})
    else:
        for name, value in values.items():
            click.echo(f"{name:10} {value or '-':50} {settings.origins[name]}")
    return 0
