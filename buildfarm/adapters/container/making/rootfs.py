"""The base of images: the smallest system of a release of Debian, on the engine."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.labels import Labels
from buildfarm.adapters.container.registry import heard
from buildfarm.model.errors import FarmError

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_FILES = {
    # No language but English, and nothing that starts a server while it is installed.
    "etc/apt/apt.conf.d/99lean": ('Acquire::Languages "none";\n', 0o644),
    "usr/sbin/policy-rc.d": ("#!/bin/sh\nexit 101\n", 0o755),
}


def imported(engine: Engine, root: Path, labels: Labels, tag: str) -> str:
    """The folder of root's as an image with that tag; its id. An import knows neither PATH nor a command by itself."""
    for name, (text, mode) in _FILES.items():
        (root / name).write_text(text)
        (root / name).chmod(mode)
    written = [f'LABEL {name}="{value}"' for name, value in labels.written.items()]
    changes = [f"ENV PATH={_PATH}", 'CMD ["/bin/bash"]', *written]
    repository, _, name = tag.rpartition(":")
    command = ("tar", "--numeric-owner", "-C", str(root), "-c", ".")
    with subprocess.Popen(command, stdout=subprocess.PIPE) as packing, told("import a system"):
        said = engine.client.api.import_image_from_stream(
            packing.stdout, repository=repository, tag=name, changes=changes
        )
    if packing.returncode:
        raise FarmError(f"tar could not read {root} (exit code {packing.returncode}); is the disk full?")
    heard("import a system", map(json.loads, said.splitlines()))
    with told("import a system"):
        return str(engine.client.images.get(tag).id)
