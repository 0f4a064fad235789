"""What `config show` says: every setting with the place its value came from, and what follows from them."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.text import Text

from buildfarm.adapters import pip_config
from buildfarm.app import fetching
from buildfarm.app.settings import NAMES, Settings, variable
from buildfarm.app.table import print_table
from buildfarm.model.url import redacted
from buildfarm.recipe.diagnostic import suggestion

_PREFIX = variable("")


def to_plain(settings: Settings, environ: Mapping[str, str]) -> dict[str, Any]:
    """Settings by name, then ``parts`` of the home, ``pip`` and ``unknown`` variables, as JSON types; redacted."""
    config = fetching.pip_config(settings, environ)
    files = pip_config.files(environ, Path.home(), Path(sys.prefix))
    return {
        **{
            name: {"value": redacted(str(getattr(settings, name))), "from": settings.origins[name]}
            for name in _told(settings)
        },
        "parts": {
            "ledger": str(settings.ledger),
            "store": str(settings.local_store),
            "indexes": str(settings.tree),
            "logs": str(settings.logs),
            "tools": str(settings.home / "tools"),
            "caches": str(settings.cache),
        },
        "pip": {
            "files": [str(path) for path in files if path.is_file()],
            "variables": sorted(name for name in environ if name.startswith("PIP_")),
            "indexes": [redacted(url) for url in config.indexes],
            "find_links": [redacted(link) for link in config.find_links],
            "cert": config.cert,
            "trusted_hosts": list(config.trusted_hosts),
        },
        "unknown": {name: suggestion(name, map(variable, NAMES)) for name in sorted(_unknown(environ))},
    }


def show(document: Mapping[str, Any], console: Console) -> None:
    """The same for a person."""
    rows = [(name, document[name]["from"], document[name]["value"] or "-") for name in NAMES if name in document]
    print_table(console, ("setting", "from", "value"), rows)
    console.print()
    print_table(console, ("part of the home", "place"), list(document["parts"].items()))
    console.print()
    pip = document["pip"]
    said = [
        ("read from", " ".join([*pip["files"], *pip["variables"]]) or "nothing: pip's own defaults"),
        *(("index", url) for url in pip["indexes"]),
        *(("find-links", link) for link in pip["find_links"]),
        ("certificates", pip["cert"] or "the system's"),
        *(("trusted host", host) for host in pip["trusted_hosts"]),
    ]
    print_table(console, ("pip", "value"), said)
    for name, advice in document["unknown"].items():
        line = f"{name} is set, and is no setting: it changes nothing; {advice}".rstrip("; ")
        console.print(Text(line, "yellow"), soft_wrap=True)


def _told(settings: Settings) -> tuple[str, ...]:
    """All settings but the one for tests of buildfarm itself, unless it is set."""
    return tuple(name for name in NAMES if name != "crash_at" or settings.crash_at)


def _unknown(environ: Mapping[str, str]) -> set[str]:
    return {name for name in environ if name.startswith(_PREFIX)} - set(map(variable, NAMES))
