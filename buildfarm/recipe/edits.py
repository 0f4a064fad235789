"""Hashes written into the text of a recipe; every other byte stays what it was."""

from __future__ import annotations

import re
from collections.abc import Mapping

from buildfarm.recipe.written import Branch, Entry, Leaf, read_written

_END = re.compile("\r\n|[\n\r]|$")
UNKNOWN = "sha256:" + "0" * 64
"""A hash that nobody has found yet."""


def with_sdist_hashes(text: str, hashes: Mapping[str, str]) -> str:
    """The text with ``hashes`` (version → ``sha256:…``) added to ``source.sdist``, in the style that is there.

    The text is a recipe without errors that lists exact versions and has none of these hashes.
    """
    root, body, mark = _read(text)
    if not hashes:
        return text
    rows = [f'"{version}": "{hash_}"' for version, hash_ in hashes.items()]
    source = root.get("source")
    sdist = source.value.get("sdist") if source and isinstance(source.value, Branch) else None
    if sdist and isinstance(sdist.value, Branch):
        return mark + _added(body, sdist.value, rows)
    whole = f"source: {{sdist: {{{', '.join(rows)}}}}}"
    return mark + _inserted(body, root, root.get("versions") or root.entries[-1], [whole])


def with_url_hash(text: str, hash_: str = UNKNOWN) -> str:
    """The text with ``source.sha256`` filled in where it is missing or empty, or is ``UNKNOWN``; else as it was."""
    root, body, mark = _read(text)
    source = root.get("source")
    url = source.value.get("url") if source and isinstance(source.value, Branch) else None
    if not (source and url and isinstance(source.value, Branch)):
        return text
    there = source.value.get("sha256")
    if there is None:
        return mark + _inserted(body, source.value, url, [f'sha256: "{hash_}"'])
    if not isinstance(there.value, Leaf) or there.value.text not in ("", "sha256:", "~", "null", UNKNOWN):
        return text
    value = there.value
    space = " " * (value.start == value.end and body[value.start - 1] == ":")
    return f'{mark}{body[: value.start]}{space}"{hash_}"{body[value.end :]}'


def with_reference(text: str, reference: str) -> str:
    """The text of an image file with its ``reference`` set, behind ``tag`` where there was none."""
    root, body, mark = _read(text)
    there, tag = root.get("reference"), root.get("tag")
    if there and isinstance(there.value, Leaf):
        quote = there.value.style
        return f"{mark}{body[: there.value.start]}{quote}{reference}{quote}{body[there.value.end :]}"
    return mark + _inserted(body, root, tag or root.entries[-1], [f"reference: {reference}"])


def _read(text: str) -> tuple[Branch, str, str]:
    """The root, the text that its offsets count in, and the byte order mark if there is one."""
    written = read_written(text)
    if written is None:
        raise ValueError("the text is no table of keys")
    return written.root, written.text, text[: len(text) - len(written.text)]


def _added(body: str, branch: Branch, rows: list[str]) -> str:
    """With rows at the end of a table."""
    if branch.entries:
        return _inserted(body, branch, branch.entries[-1], rows)
    return body[: branch.start + 1] + ", ".join(rows) + body[branch.start + 1 :]


def _inserted(body: str, branch: Branch, after: Entry, rows: list[str]) -> str:
    """With rows behind an entry of a table: in its brackets, or on lines of their own in its column."""
    at = after.value.end
    if branch.flow:
        return body[:at] + "".join(f", {row}" for row in rows) + body[at:]
    first = branch.entries[0].start
    begin = max(body.rfind(each, 0, first) for each in "\n\r") + 1
    newline = next(_END.finditer(body))[0] or "\n"
    stop = next(_END.finditer(body, at)).start()
    return body[:stop] + "".join(f"{newline}{' ' * (first - begin)}{row}" for row in rows) + body[stop:]
