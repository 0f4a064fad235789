"""The pages of the simple repository API, as installers read them, in both forms.

HTML: PEP 503, 592, 629, 658, 714. JSON: PEP 691, 700. All links are relative, so a tree of pages may lie anywhere.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from html import escape
from urllib.parse import quote

from packaging.utils import canonicalize_name

from buildfarm.model.canonical import Plain
from buildfarm.pages.project import File, Project


def render_project(project: Project) -> Mapping[str, bytes]:
    """The pages of one project, by path below ``<index>/simple/``; equal projects give equal bytes."""
    document = {
        "meta": {"api-version": "1.1"},
        "name": project.name,
        "versions": project.versions,
        "files": [_entry(file) for file in project.files],
    }
    return {
        f"{project.name}/index.html": _html(f"Links for {project.name}", map(_anchor, project.files)),
        f"{project.name}/index.json": _json(document),
    }


def render_root(names: Iterable[str]) -> Mapping[str, bytes]:
    """The pages that list the projects, by path below ``<index>/simple/``."""
    projects = sorted({canonicalize_name(name) for name in names})
    document = {"meta": {"api-version": "1.1"}, "projects": [{"name": name} for name in projects]}
    anchors = (f'<a href="{quote(name, safe="")}/">{escape(name)}</a>' for name in projects)
    return {"index.html": _html("Simple index", anchors), "index.json": _json(document)}


def _url(file: File) -> str:
    artifact = file.published.artifact
    return f"../../+f/{artifact.sha256}/{quote(artifact.name, safe='')}"


def _anchor(file: File) -> str:
    published = file.published
    attributes = {"href": f"{_url(file)}#sha256={published.artifact.sha256}"}
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


def _entry(file: File) -> Plain:
    published = file.published
    entry: dict[str, Plain] = {
        "filename": published.artifact.name,
        "url": _url(file),
        "hashes": {"sha256": published.artifact.sha256},
        "size": published.artifact.size,
        "upload-time": published.uploaded,
        "yanked": file.yanked or file.yanked is not None,
    }
    if published.requires_python:
        entry["requires-python"] = published.requires_python
    if published.metadata_sha256:
        entry["core-metadata"] = {"sha256": published.metadata_sha256}
    return entry


def _html(title: str, anchors: Iterable[str]) -> bytes:
    """A page of anchors. PEP 700 leaves the version of the HTML form at 1.0."""
    body = "".join(f"{anchor}<br>\n" for anchor in anchors)
    return f"""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="pypi:repository-version" content="1.0">
<title>{escape(title)}</title>
</head>
<body>
<h1>{escape(title)}</h1>
{body}</body>
</html>
""".encode()


def _json(document: Plain) -> bytes:
    return f"{json.dumps(document, indent=1)}\n".encode()
