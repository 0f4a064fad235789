"""Commands that make an environment in a session and fill it from the wheelhouse."""

from __future__ import annotations

from collections.abc import Iterable

from buildfarm.model.session import Command, Layout


def make_venv(layout: Layout) -> Command:
    """An empty virtual environment of the session's interpreter."""
    return Command(
        argv=(
            *layout.tools["uv"],
            "venv",
            "--quiet",
            "--offline",
            "--no-config",
            "--python",
            layout.python,
            layout.venv,
        ),
        cwd=layout.work,
        what="make the environment",
    )


def install(layout: Layout, wheels: Iterable[str]) -> Command:
    """Install exactly these wheels, by path; whether they fit each other was the lock's business."""
    return Command(
        argv=(
            *layout.tools["uv"],
            *("pip", "install", "--quiet", "--offline", "--no-config", "--no-index", "--no-deps", "--no-cache"),
            *("--link-mode", "copy", "--python", layout.venv_python),
            *wheels,
        ),
        cwd=layout.work,
        what="install the locked requirements",
    )
