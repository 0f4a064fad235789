"""Patches on the entries of a source, before a file of it is written. No program does it: a session has none for that.

Every line that a hunk names must be there; it may stand elsewhere than the hunk says (no fuzz, but an offset). Lines
end, with LF or CRLF, as those of the file that is patched.
"""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from typing import NoReturn

from buildfarm.model.errors import Unavailable
from buildfarm.model.session import OLDEST_EPOCH
from buildfarm.steps.diff import NONE, Change, Hunk, parse_diff, refuse, split_lines
from buildfarm.steps.entry import Entry
from buildfarm.steps.names import check_names, plain_path

_LARGEST = 64 << 20  # bytes of a file that is patched: it is held in memory
_QUOTED = 200  # characters of a line that are shown


def patched(found: Iterable[Entry], patches: Iterable[tuple[str, bytes]]) -> Iterator[Entry]:
    """The entries after the patches (name, bytes), in order.

    Paths lose their first component; none where only so all files are there. A file that a patch touched is a second
    younger than the youngest of the source, so that what is generated from it is generated anew. Raises ``StepFailed``
    (build, code ``patch``).
    """
    tree = {entry.path: entry for entry in found}
    young = max((entry.mtime for entry in tree.values()), default=OLDEST_EPOCH) + 1
    for name, content in patches:
        changes = parse_diff(name, content)
        level = _level(name, changes, tree)
        try:
            for change in changes:
                _carry_out(name, change, level, tree, young)
            check_names(name, tree.values())
        except Unavailable as error:  # a name that no source may have
            refuse(name, error.reason.message.removeprefix(f"{name} "))
    yield from tree.values()


def _level(patch: str, changes: Sequence[Change], tree: dict[str, Entry]) -> int:
    """How many components every path loses: 1, or 0 where only that fits."""
    for level in (1, 0):
        known = tree.keys() | {change.new[level] for change in changes if change.new[level] != change.old[level]}
        named = [names[level] for change in changes for names in (change.old, change.new) if names != NONE]
        if all(named) and all(change.old[level] in known for change in changes if change.old != NONE):
            return level
    absent = ((change.old[1] or change.old[0], change.line) for change in changes if change.old != NONE)
    path, line = next(((path, line) for path, line in absent if path not in tree), ("", 0))
    if path:
        advice = "is it applied there already, or for other versions? Then say so: `versions` beside its `file`"
        refuse(patch, f"changes {path!r} (line {line}), which the source does not have", advice)
    return refuse(patch, "has paths with a first folder to leave out and paths without one", "make it with `git diff`")


def _carry_out(patch: str, change: Change, level: int, tree: dict[str, Entry], young: int) -> None:
    old, new = change.old[level], change.new[level]
    for path in filter(None, (old, new)):
        plain_path(patch, path)
    if not old:
        _make(patch, change, new, tree, young)
        return
    entry = tree.get(old)
    if entry is None or entry.kind != "file" or entry.size > _LARGEST:
        refuse(patch, f"changes {old!r} (line {change.line}), which is no file that can be patched")
    if new not in (old, "") and new in tree:
        refuse(patch, f"moves or copies {old!r} to {new!r} (line {change.line}), which is there already")
    with entry.open() as file:
        lines = split_lines(file.read())
    content = b"".join(_applied(patch, old, lines, change.hunks))
    if not new and content:
        refuse(patch, f"deletes {old!r} (line {change.line}), in which it would leave {len(content)} bytes")
    if not change.copied:
        del tree[old]
    if new:
        executable = entry.executable if change.executable is None else change.executable
        tree[new] = replace(_file(new, content, young), executable=executable)


def _make(patch: str, change: Change, path: str, tree: dict[str, Entry], young: int) -> None:
    content = b"".join(line for hunk in change.hunks for line in hunk.new)
    if path in tree:
        same = tree[path].kind == "file" and tree[path].open().read() == content
        refuse(patch, f"makes {path!r} (line {change.line}), which is there already" + ": it is applied" * same)
    tree[path] = replace(_file(path, content, young), executable=bool(change.executable))


def _file(path: str, content: bytes, mtime: int) -> Entry:
    return Entry(path=path, kind="file", size=len(content), mtime=mtime, opener=lambda: io.BytesIO(content))


def _applied(patch: str, path: str, lines: Sequence[bytes], hunks: Iterable[Hunk]) -> Iterator[bytes]:
    bare, done, shift = [_bare(line) for line in lines], 0, 0
    for number, hunk in enumerate(hunks, 1):
        said = hunk.start - bool(hunk.old)  # a hunk of nothing but new lines names the line before them
        at = _place(bare, hunk.old, said + shift, done)
        if at is None:
            _refuse_hunk(patch, f"hunk {number} (line {hunk.line}) does not fit {path}", hunk, bare, said + shift, done)
        shift, end = at - said, at + len(hunk.old)
        yield from lines[done:at]
        if tuple(lines[at:end]) == hunk.old and hunk.old:
            yield from hunk.new
        else:
            near = lines[min(at, len(lines) - 1)] if lines else b"\n"
            yield from (_ended(line, b"\r\n" if near.endswith(b"\r\n") else b"\n") for line in hunk.new)
        done = end
    yield from lines[done:]


def _place(bare: Sequence[bytes], wanted: Iterable[bytes], said: int, first: int) -> int | None:
    """Where the lines stand, nearest to where they are said to, and not before ``first``."""
    block = [_bare(line) for line in wanted]
    last = len(bare) - len(block)
    if not block:
        return max(first, min(said, last))
    near = sorted(range(first, last + 1), key=lambda at: abs(at - said))
    return next((at for at in near if bare[at] == block[0] and bare[at : at + len(block)] == block), None)


def _refuse_hunk(patch: str, what: str, hunk: Hunk, bare: Sequence[bytes], said: int, first: int) -> NoReturn:
    if _place(bare, hunk.new, said, first) is not None and hunk.new:
        refuse(
            patch,
            f"{what}: its change is there already",
            "it is applied in this version: say which ones it is for (`versions` beside its `file`)",
        )
    there = [*bare[max(0, said) :], *[None] * len(hunk.old)]
    wanted = [_bare(line) for line in hunk.old]
    off = next((number for number, line in enumerate(wanted) if line != there[number]), 0)
    expected, found = _quoted(wanted[off]), _quoted(there[off])
    place = f"line {max(0, said) + off + 1}"
    refuse(
        patch,
        f"{what}: at {place} it expects {expected}, and there is {found}",
        lines=(f"{place}, expected: {expected}", f"{place}, found:    {found}"),
    )


def _bare(line: bytes) -> bytes:
    return line.removesuffix(b"\n").removesuffix(b"\r")


def _ended(line: bytes, end: bytes) -> bytes:
    return _bare(line) + end if line.endswith(b"\n") else line


def _quoted(line: bytes | None) -> str:
    return "the end of the file" if line is None else repr(line.decode("utf-8", "replace")[:_QUOTED])
