"""The pages of the simple repository API, as installers read them, in both forms.

HTML: PEP 503, 592, 629, 658, 714, 792. JSON: PEP 691, 700, 792. All links are relative, so a tree of pages may lie
anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from html import escape
from urllib.parse import quote

from packaging.utils import canonicalize_name

from buildfarm.model.canonical import Plain
from buildfarm.model.events import Status
from buildfarm.pages.project import File, Project

API = "1.4"
"""The version of the simple repository API that the pages speak (PEP 629, 700, 792)."""


def render_project(project: Project, depth: int = 1) -> Mapping[str, bytes]:
    """The pages of one project as an index shows it whose name has ``depth`` segments, by path below
    ``<index>/simple/``; of equal projects and depths the bytes are equal, whichever index it is.
    """
    return _pages(project, lambda file: _url(file, depth))


def render_beside(project: Project) -> Mapping[str, bytes]:
    """The same for a folder that has ``simple/`` and, beside it, all files."""
    return _pages(project, lambda file: f"../../{quote(file.name, safe='')}")


def _pages(project: Project, url: Callable[[File], str]) -> Mapping[str, bytes]:
    files = project.offered
    document = {
        "meta": {"api-version": API, "_last-serial": project.serial},
        "name": project.name,
        "project-status": {"status": str(project.status), **({"reason": project.reason} if project.reason else {})},
        "versions": project.versions if files else (),
        "files": [_entry(file, url(file)) for file in files],
    }
    anchors = (_anchor(file, url(file)) for file in files)
    return {
        f"{project.name}/index.html": _html(f"Links for {project.name}", anchors, _status(project)),
        f"{project.name}/index.json": _json(document),
    }


def render_root(names: Iterable[str]) -> Mapping[str, bytes]:
    """The pages that list the projects, by path below ``<index>/simple/``."""
    projects = sorted({canonicalize_name(name) for name in names})
    document = {"meta": {"api-version": API}, "projects": [{"name": name} for name in projects]}
    anchors = (f'<a href="{quote(name, safe="")}/">{escape(name)}</a>' for name in projects)
    return {"index.html": _html("Simple index", anchors), "index.json": _json(document)}


def _url(file: File, depth: int) -> str:
    """Up to the root of the tree and down to the file's own index: so that all heirs have the same."""
    artifact = file.published.artifact
    up = "../" * (depth + 2)
    return f"{up}{quote(file.index, safe='/+')}/+f/{artifact.sha256}/{quote(artifact.name, safe='')}"


def _status(project: Project) -> Iterable[str]:
    """What a head says of the status (PEP 792)."""
    if project.status is not Status.ACTIVE:
        yield f'<meta name="pypi:project-status" content="{project.status}">\n'
        if project.reason:
            yield f'<meta name="pypi:project-status-reason" content="{escape(project.reason)}">\n'


def _anchor(file: File, url: str) -> str:
    published = file.published
    attributes = {"href": f"{url}#sha256={published.artifact.sha256}"}
    if published.requires_python:
        attributes["data-requires-python"] = published.requires_python
    if published.metadata_sha256:
        # PEP 714: the second name is for clients from before it
        attributes["data-core-metadata"] = f"sha256={published.metadata_sha256}"
        attributes["data-dist-info-metadata"] = f"sha256={published.metadata_sha256}"
    if file.yanked is not None:
        attributes["data-yanked"] = file.yanked
    written = " ".join(f'{name}="{escape(value)}"' for name, value in attributes.items())
    return f"<a {written}>{escape(published.artifact.name)}</a>"


def _entry(file: File, url: str) -> Plain:
    published = file.published
    entry: dict[str, Plain] = {
        "filename": published.artifact.name,
        "url": url,
        "hashes": {"sha256": published.artifact.sha256},
        "size": published.artifact.size,
        "upload-time": published.uploaded,
        "yanked": file.yanked or file.yanked is not None,
    }
    if published.requires_python:
        entry["requires-python"] = published.requires_python
    if published.metadata_sha256:
        entry["core-metadata"] = {"sha256": published.metadata_sha256}
    if published.tried:  # PEP 691 leaves such keys to servers
        entry["_tests"] = {each.target: str(each.verdict) for each in published.tried}
    return entry


def _html(title: str, anchors: Iterable[str], head: Iterable[str] = ()) -> bytes:
    """A page of anchors."""
    body = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="{API}">
{"".join(head)}<title>{escape(title)}</title>
</head>
<body>
<h1>{escape(title)}</h1>
{body}</body>
</html>
""".encode()


def _json(document: Plain) -> bytes:
    return f"{json.dumps(document, indent=1)}\n".encode()
