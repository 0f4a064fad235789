"""Wheels of the tools that images are given, from wherever this machine's pip installs from."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from buildfarm.model.errors import FarmError
from buildfarm.model.target import Target, platforms_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Wheels:
    """Fetched by pip with the variables ``environ``; nothing is installed."""

    environ: Mapping[str, str]

    def fetch(self, requirements: tuple[str, ...], target: Target, folder: Path) -> None:
        """The wheels of exact requirements that fit the target, into a folder. Raises ``FarmError`` in pip's words."""
        major, minor = target.python
        platforms = (word for each in platforms_at(target.platform) for word in ("--platform", each))
        fitting = ("--only-binary", ":all:", "--no-deps", "--python-version", f"{major}.{minor}", *platforms)
        command = (sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(folder), *fitting, *requirements)
        done = subprocess.run(command, env=dict(self.environ), capture_output=True, text=True, check=False)
        if done.returncode:
            said = "\n".join(done.stderr.strip().splitlines()[-5:])
            raise FarmError(
                f"cannot fetch {', '.join(requirements)} for {target}:\n{said}\n"
                "help: can this machine `pip download` them? Their versions stand in images/"
            )
