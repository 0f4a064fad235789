"""Where the documentation of a project lies in an index (``INDEX/+doc/PROJECT/VERSION/``), and what is the newest.

A version is a pointer to a folder of its content, so that another content takes its place in one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from packaging.utils import canonicalize_name
from packaging.version import Version

from buildfarm.model.events import DocsDeleted, DocsPublished, IndexDeleted, IndexEvent
from buildfarm.model.wheel import Artifact

DOC = "+doc"
LATEST = "latest"
"""What stands for the newest version in an address."""


def last_said(events: Iterable[IndexEvent]) -> Mapping[tuple[str, str, str], Artifact | None]:
    """The zip of the documentation of each (index, project, version) that these events, in their order, are about; None
    where it was deleted last. Of an index that was deleted only what came later.
    """
    said: dict[tuple[str, str, str], Artifact | None] = {}
    for event in events:
        match event.payload:
            case DocsPublished(project=project, version=version, artifact=artifact):
                said[event.index, project, version] = artifact
            case DocsDeleted(project=project, version=version):
                said[event.index, project, version] = None
            case IndexDeleted():
                said = {key: artifact for key, artifact in said.items() if key[0] != event.index}
    return said


def zip_of(project: str, version: str) -> str:
    """The file name of the documentation of a version; both as they are in addresses."""
    return f"{project}-{version}.docs.zip"


def folder_of(index: str, project: str) -> str:
    """The path of a project's documentation in the tree."""
    return f"{index}/{DOC}/{canonicalize_name(project)}"


def normal(version: str) -> str:
    """The version as it is in addresses (PEP 440); empty for what is none."""
    try:
        return str(Version(version))
    except ValueError:  # an invalid version, or a number of thousands of digits
        return ""


def sorted_versions(names: Iterable[str]) -> tuple[str, ...]:
    """Those of the names that are versions, the newest release first, pre-releases after all releases."""
    versions = {name: Version(name) for name in names if name and normal(name) == name}
    return tuple(
        sorted(versions, key=lambda name: (not versions[name].is_prerelease, versions[name], name), reverse=True)
    )
