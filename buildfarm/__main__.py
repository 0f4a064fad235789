"""``python -m buildfarm``."""

from buildfarm.app.cli import run

run()
