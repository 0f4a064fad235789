"""Software bills of materials as CycloneDX 1.6 JSON, the same bytes for the same contents."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID, uuid5

from buildfarm.model.job import BuildJob

_OURS = UUID("8f2b8a4e-6f0e-5d53-9a3b-2f0c4f7a1d6e")  # the namespace of serial numbers, made once by chance


@dataclass(frozen=True, slots=True, kw_only=True)
class Component:
    """One library. ``purl`` is its package URL; ``sha256`` of the file in the wheel; ``licences`` are names."""

    name: str
    sha256: str
    version: str = ""
    purl: str = ""
    licences: tuple[str, ...] = ()
    properties: Mapping[str, str] = field(default_factory=dict)

    @property
    def reference(self) -> str:
        """Its ``bom-ref``: one for each file."""
        return f"sha256:{self.sha256}"


def bill(job: BuildJob, components: Iterable[Component]) -> bytes:
    """The bill of the job's wheel: the project and the libraries in its wheel. Its serial number is of its contents."""
    parts = sorted(components, key=lambda each: each.reference)
    subject = {
        "type": "library",
        "bom-ref": "wheel",
        "name": job.project,
        "version": job.version,
        "purl": f"pkg:pypi/{job.project}@{job.version}",
    }
    tools = [{"type": "application", "name": name, "version": version} for name, version in sorted(job.tools.items())]
    document: dict[str, Any] = {
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            "timestamp": datetime.fromtimestamp(job.source.epoch, UTC).isoformat().replace("+00:00", "Z"),
            "tools": {"components": tools},
            "component": subject,
        },
        "components": [_plain(each) for each in parts],
        "dependencies": [
            {"ref": "wheel", "dependsOn": [each.reference for each in parts]},
            *({"ref": each.reference} for each in parts),
        ],
    }
    serial = uuid5(_OURS, json.dumps(document, sort_keys=True))
    return (json.dumps({**document, "serialNumber": serial.urn}, indent=2, sort_keys=True) + "\n").encode()


def _plain(component: Component) -> dict[str, Any]:
    said = {
        "type": "library",
        "bom-ref": component.reference,
        "name": component.name,
        "version": component.version,
        "purl": component.purl,
        "hashes": [{"alg": "SHA-256", "content": component.sha256}],
        "licenses": [{"license": {"name": name}} for name in component.licences],
        "properties": [{"name": name, "value": value} for name, value in sorted(component.properties.items())],
    }
    return {name: value for name, value in said.items() if value}
