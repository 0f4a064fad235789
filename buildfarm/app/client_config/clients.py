"""All clients, by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from buildfarm.app.client_config import pdm, pip, pipenv, poetry, twine, uv
from buildfarm.app.client_config.wish import ConfigFile, Wish

CLIENTS: Mapping[str, Callable[[Wish], tuple[ConfigFile, ...]]] = {
    "pip": pip.files,
    "uv": uv.files,
    "pipenv": pipenv.files,
    "poetry": poetry.files,
    "pdm": pdm.files,
    "twine": twine.files,
}
"""The files of each client for a wish, the one that is meant most often first."""
