"""A wheel packed again with members that are changed or new, and a RECORD of all: equal bytes for equal wheels."""

from __future__ import annotations

import base64
import csv
import io
import lzma
import struct
import zipfile
import zlib
from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import IO

from buildfarm.model.recipe import GIB, MIB

Body = bytes | Callable[[], IO[bytes]]
"""What a member is to hold, or what opens it: a large one is better not held in memory."""

LARGEST = 2 * GIB
"""Bytes that are packed again at most."""

BROKEN = (
    *(zipfile.BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(KeyError, ValueError, EOFError, OSError, RuntimeError),  # RuntimeError: encrypted, or a compression unknown to it
)
"""What reading a damaged archive raises."""

_SMALL, _RATIO = 256 * MIB, 64  # real wheels are packed to a tenth at most


def dist_info(packed: zipfile.ZipFile) -> str:
    """The folder with the wheel's RECORD; empty for what is no wheel, or unpacks to more than a wheel may."""
    folders = [name.partition("/")[0] for name in packed.namelist() if name.endswith(".dist-info/RECORD")]
    size = sum(member.file_size for member in packed.infolist())
    allowed = min(LARGEST, max(_SMALL, _RATIO * sum(member.compress_size for member in packed.infolist())))
    return folders[0] if len(folders) == 1 and size <= allowed else ""


def repacked(
    packed: zipfile.ZipFile, changed: Mapping[str, Body], epoch: int, executable: Collection[str] = ()
) -> bytes:
    """The wheel with the members of another, and those that are changed or new, dated at ``epoch`` (PEP 427).

    Of the new ones, those in ``executable`` can be run. ``dist_info`` has found the wheel to be one.
    """
    record = f"{dist_info(packed)}/RECORD"
    made, rows = io.BytesIO(), []
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as wheel:
        for member, opened in _members(packed, changed, record, epoch, executable):
            digest, size = sha256(), 0
            with opened as body, wheel.open(member, "w") as copy:
                while piece := body.read(MIB):  # a member may be huge
                    digest.update(piece)
                    size += copy.write(piece)
            if not member.filename.endswith("/"):
                written = base64.urlsafe_b64encode(digest.digest()).rstrip(b"=").decode()
                rows.append((member.filename, f"sha256={written}", str(size)))
        text = io.StringIO()
        csv.writer(text, lineterminator="\n").writerows([*rows, (record, "", "")])
        wheel.writestr(_member(record, epoch), text.getvalue(), zipfile.ZIP_DEFLATED)
    return made.getvalue()


def _members(
    packed: zipfile.ZipFile, changed: Mapping[str, Body], record: str, epoch: int, executable: Collection[str]
) -> Iterator[tuple[zipfile.ZipInfo, IO[bytes]]]:
    names = packed.namelist()
    for member in packed.infolist():
        if member.filename != record and member.filename not in changed:
            copy = _member(member.filename, epoch)
            copy.date_time, copy.external_attr = member.date_time, member.external_attr
            yield copy, packed.open(member)
    for name in sorted(changed, key=lambda name: (name not in names, name)):
        body = changed[name]
        opened = io.BytesIO(body) if isinstance(body, bytes) else body()
        yield _member(name, epoch, 0o100755 if name in executable else 0o100644), opened


def _member(name: str, epoch: int, mode: int = 0o100644) -> zipfile.ZipInfo:
    moment = datetime.fromtimestamp(epoch, UTC)
    member = zipfile.ZipInfo(name, (moment.year, moment.month, moment.day, moment.hour, moment.minute, moment.second))
    member.external_attr, member.compress_type = mode << 16, zipfile.ZIP_DEFLATED
    return member
