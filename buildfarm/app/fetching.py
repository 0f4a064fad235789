"""Where things are fetched from: pip's own configuration, and the settings over it."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path

from buildfarm.adapters.pip_config import PipConfig, read
from buildfarm.adapters.sources import Folder, Place
from buildfarm.app.settings import Settings
from buildfarm.model.errors import FarmError


def pip_config(settings: Settings, environ: Mapping[str, str]) -> PipConfig:
    """The machine's own pip configuration, with ``upstream`` of the settings as its index where that is a URL."""
    found = dict(environ)
    if "://" in settings.upstream:
        found["PIP_INDEX_URL"] = settings.upstream
        found.pop("PIP_EXTRA_INDEX_URL", None)
    return read(found, Path.home(), Path(sys.prefix))


def sdist_places(settings: Settings, configured: tuple[Place, ...]) -> tuple[Place, ...]:
    """Where sdists come from: a folder where the settings name one, else what pip would ask.

    Raises ``FarmError`` where that folder is none.
    """
    if settings.upstream and "://" not in settings.upstream:
        folder = Path(settings.upstream)
        if not folder.is_dir():
            raise FarmError(f"upstream: {folder} is no folder; name an index URL or a folder of sdists")
        return (Folder(folder),)
    return configured


def for_git(config: PipConfig, environ: Mapping[str, str]) -> Mapping[str, str]:
    """Variables for git, which trusts what pip trusts where nobody told it otherwise."""
    return {"GIT_SSL_CAINFO": config.cert, **environ} if config.cert else environ


def for_programs(config: PipConfig, environ: Mapping[str, str]) -> dict[str, str]:
    """Variables for programs that fetch something: the machine's own, and what pip is configured to, in uv's words."""
    told = {
        "SSL_CERT_FILE": config.cert,
        "UV_DEFAULT_INDEX": next(iter(config.indexes), ""),
        "UV_INDEX": " ".join(config.indexes[1:]),
        "UV_FIND_LINKS": ",".join(link for link in config.find_links if "://" in link or Path(link).is_dir()),
        "UV_INSECURE_HOST": " ".join(config.trusted_hosts),
        "UV_NO_INDEX": "1" if config.no_index else "",
    }
    return {**environ, "UV_NO_CONFIG": "1", **{name: value for name, value in told.items() if value}}
