"""Names in archives: which are safe and mean the same on every system, and which folder is the project's own."""

from __future__ import annotations

import posixpath
import re
import unicodedata
from collections.abc import Iterable

from buildfarm.steps.entry import BOUNDS, Bounds, Entry, refuse

_LONGEST = 1024  # characters of a path
_DEEPEST = 64  # folders
_COMPONENT = 255  # bytes of one name, on all file systems that matter
_CONTROL = re.compile("[\x00-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069]")  # those that end lines or turn text, too
_RESERVED = re.compile(r"(con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³])\s*(\..*)?", re.IGNORECASE)  # devices of Windows
_PROJECT = ("pyproject.toml", "setup.py")


def plain_path(name: str, raw: str) -> str:
    """The normal form of a member's name in the archive ``name``; refuses one that means another place somewhere."""
    parts = [part for part in raw.split("/") if part not in ("", ".")]
    if raw.startswith("/") or raw[1:2] == ":" or "\\" in raw:
        refuse(name, f"has the entry {raw[:200]!r}, whose path is not relative and portable")
    if ".." in parts:
        refuse(name, f"has the entry {raw[:200]!r}, which leads out of it")
    if len(raw) > _LONGEST or len(parts) > _DEEPEST or _CONTROL.search(raw):
        refuse(name, f"has the entry {raw[:200]!r}, whose name is too long or too deep or has a control character")
    for part in parts:
        if _RESERVED.fullmatch(part) or part.endswith((" ", ".")):
            refuse(name, f"has the entry {raw[:200]!r}: no file can have the name {part!r} on Windows")
        if len(part.encode("utf-8", "surrogateescape")) > _COMPONENT:
            refuse(name, f"has the entry {raw[:200]!r}: a name has more than {_COMPONENT} bytes")
    return "/".join(parts)


def check_names(name: str, found: Iterable[Entry], bounds: Bounds = BOUNDS) -> None:
    """Refuse what is there twice or below no folder, and names that are one where case or Unicode form do not count.

    Folders that no entry names count too: a few entries could name millions.
    """
    known: dict[tuple[int, str], tuple[int, str, str]] = {}  # (number of the folder, folded) -> number, name, kind
    for entry in found:
        above, parts = 0, entry.path.split("/")
        for depth, part in enumerate(parts, 1):
            kind = entry.kind if depth == len(parts) else "folder"
            key = (above, _folded(part))
            above, spelling, before = known.setdefault(key, (len(known) + 1, part, ""))
            if not before:
                known[key] = (above, part, kind)
            elif spelling != part:
                other, path = ("/".join((*parts[: depth - 1], each)) for each in (spelling, part))
                refuse(name, f"has {other!r} and {path!r}, which are one name on some file systems")
            elif not before == kind == "folder":
                refuse(name, f"has {'/'.join(parts[:depth])!r} twice, as a {before} and as a {kind}")
        if len(known) > bounds.entries:
            refuse(name, f"has more than {bounds.entries} entries and folders")


def _folded(part: str) -> str:
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", part).casefold())


def top_folder(found: Iterable[Entry]) -> str:
    """``folder/`` where all entries are in that one folder, or where it alone holds a project; else empty."""
    paths = {entry.path: entry.kind for entry in found if entry.path}
    tops = {path.partition("/")[0] for path in paths}
    projects = {top for top in tops for file in _PROJECT if f"{top}/{file}" in paths}
    if len(tops) == 1 and all(paths.get(top, "folder") == "folder" for top in tops):
        return tops.pop() + "/"
    if len(projects) == 1 and not paths.keys() & set(_PROJECT):
        return projects.pop() + "/"
    return ""


def link_target(name: str, link: Entry, top: str) -> str:
    """The target of a link, normal and relative to the link's folder; refuses one that leads out of ``top``.

    Without ``..`` behind another component, and since nothing lies below a link, it leads where its text says.
    """
    folder = posixpath.dirname(link.path)
    target = link.target
    reached = posixpath.normpath(posixpath.join(folder, target))
    inside = f"{reached}/".startswith(top) and reached.split("/")[0] != ".."
    strange = target[:1] in ("", "/") or target[1:2] == ":" or "\\" in target or _CONTROL.search(target)
    if strange or not inside or len(target) > _LONGEST:
        refuse(name, f"has the link {link.path!r} to {target[:200]!r}, which leads out of it")
    return posixpath.relpath(f"/{reached}", f"/{folder}")
