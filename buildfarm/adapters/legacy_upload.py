"""Publishing to an index that takes uploads as twine sends them: the legacy upload API."""

from __future__ import annotations

from collections.abc import Mapping
from typing import IO, Any

from packaging.metadata import parse_email
from packaging.utils import canonicalize_name, parse_wheel_filename

from buildfarm.adapters.peer import Peer
from buildfarm.adapters.simple_index import ACCEPT, parse_page
from buildfarm.model.distribution import WHEEL, Outgoing

_RENAMED = {"platforms": "platform", "supported_platforms": "supported_platform"}
"""Fields of core metadata that the form has under another name than ``packaging``."""


class LegacyIndex:
    """A ``ports.Outlet`` at an upload URL; ``pages`` is that of its simple index, empty: what it has cannot be seen."""

    def __init__(self, peer: Peer, upload: str, pages: str) -> None:
        self._peer = peer
        self._upload = upload
        self._pages = pages.rstrip("/")

    def has(self, project: str) -> Mapping[str, str]:
        """Its files of the project and their sha256, empty where it does not tell; by its simple page, asked now."""
        if not self._pages:
            return {}
        response = self._peer.get(f"{self._pages}/{canonicalize_name(project)}/", ACCEPT)
        if response is None:
            return {}
        page = parse_page(response.content, response.headers.get("Content-Type", ""), str(response.url))
        return {offer.filename: offer.sha256 for offer in page}

    def put(self, file: Outgoing, content: IO[bytes]) -> None:
        """Upload it."""
        self._peer.post(self._upload, form=form_of(file), content=(file.artifact.name, content))


def form_of(file: Outgoing) -> dict[str, str | list[str]]:
    """The fields of the upload form but for the content: what the file is, its hash, and its core metadata."""
    wheel = file.artifact.name.endswith(WHEEL)
    raw: dict[str, Any] = dict(parse_email(file.metadata)[0]) if file.metadata else {}
    described = {_RENAMED.get(name, name): _values(name, value) for name, value in raw.items() if value}
    return {
        "metadata_version": "2.1",
        **described,
        ":action": "file_upload",
        "protocol_version": "1",
        "name": raw.get("name") or file.project,
        "version": raw.get("version") or file.version,
        "filetype": "bdist_wheel" if wheel else "sdist",
        "pyversion": _pythons(file.artifact.name) if wheel else "source",
        "sha256_digest": file.artifact.sha256,
    }


def _values(name: str, value: Any) -> str | list[str]:
    """A field as a form has it: project URLs one by one, keywords as one text."""
    if isinstance(value, Mapping):
        return [f"{label}, {url}" for label, url in value.items()]
    if name == "keywords":
        return ",".join(value)
    return [str(each) for each in value] if isinstance(value, (list, tuple)) else str(value)


def _pythons(filename: str) -> str:
    """The Python tags of a wheel, as in its name."""
    parse_wheel_filename(filename)
    return filename.rsplit("-", 3)[-3]
