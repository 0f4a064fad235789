"""The base of images: the smallest system of a release of Debian, on the engine."""

from __future__ import annotations

import json
from pathlib import Path

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.labels import Labels
from buildfarm.adapters.container.registry import heard

_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_PIECE = 1 << 20


def imported(engine: Engine, system: Path, labels: Labels, tag: str) -> str:
    """The tar of a system as an image with that tag; its id. An import knows neither PATH nor a command by itself."""
    written = [f'LABEL {name}="{value}"' for name, value in labels.written.items()]
    changes = [f"ENV PATH={_PATH}", 'CMD ["/bin/bash"]', *written]
    repository, _, name = tag.rpartition(":")
    with system.open("rb") as file, told("import a system"):
        pieces = iter(lambda: file.read(_PIECE), b"")  # what has a length, the SDK sends wrongly
        said = engine.client.api.import_image_from_stream(pieces, repository=repository, tag=name, changes=changes)
    heard("import a system", map(json.loads, said.splitlines()))
    with told("import a system"):
        return str(engine.client.images.get(tag).id)
