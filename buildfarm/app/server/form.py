"""The form of an upload (multipart/form-data, RFC 7578), as it comes in: its file to the disk, its digests on the way.

The fields are those of the legacy upload API; the few that count are kept, the others are passed over.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import IO, Protocol

from python_multipart.exceptions import FormParserError
from python_multipart.multipart import MultipartParser, MultipartState, parse_options_header

from buildfarm.model.errors import Refused
from buildfarm.model.size import size as bytes_of

logging.getLogger("python_multipart").addHandler(logging.NullHandler())  # who sent the form is told what is wrong

FILE = "content"
_DIGESTS = ("sha256_digest", "blake2_256_digest", "md5_digest")
_ATTESTATIONS = "attestations"
_KEPT = frozenset({":action", "protocol_version", "name", "version", "filetype", _ATTESTATIONS, *_DIGESTS})
_LONGEST = 1000  # bytes of a field that is kept
FIELDS_LIMIT = 16 << 20  # bytes of all fields but the file: descriptions are long


class _Sum(Protocol):
    def update(self, data: bytes, /) -> None: ...

    def hexdigest(self) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """A form that came in whole and undamaged. ``content`` stands at its start, ``size`` is in bytes; what was not sent
    is empty in ``fields``, of which the names are those of the legacy upload API.
    """

    fields: Mapping[str, str]
    filename: str
    content: IO[bytes]
    size: int
    sha256: str

    def field(self, name: str) -> str:
        """A field; empty where it was not sent."""
        return self.fields.get(name, "")


class Form:
    """A form that is coming in: ``feed`` it all pieces of the body, then ``end`` it.

    The file goes ``into`` an open file and may have ``limit`` bytes. Every method raises ``Refused`` (400, 413) for
    what is no such form.
    """

    def __init__(self, content_type: str, into: IO[bytes], limit: int) -> None:
        kind, options = parse_options_header(content_type)
        boundary = options.get(b"boundary", b"")
        if kind != b"multipart/form-data" or not boundary:
            raise Refused("an upload is a form (multipart/form-data with a boundary), as twine and uv publish send it")
        self._into, self._limit, self._left = into, limit, FIELDS_LIMIT
        self._header: dict[bytes, bytes] = {}
        self._name, self._value = b"", b""  # of the header that is coming in
        self._field, self._text = "", bytearray()  # of the part that is coming in
        self._fields: dict[str, str] = {}
        self._filename: str | None = None
        self._size = 0
        self._sums: dict[str, _Sum] = {
            "sha256_digest": hashlib.sha256(),
            "blake2_256_digest": hashlib.blake2b(digest_size=32),
            "md5_digest": hashlib.md5(usedforsecurity=False),
        }
        try:
            self._parser = MultipartParser(
                boundary,
                {
                    "on_part_begin": self._begin_part,
                    "on_header_field": self._take_name,
                    "on_header_value": self._take_value,
                    "on_header_end": self._end_header,
                    "on_headers_finished": self._end_headers,
                    "on_part_data": self._take_data,
                    "on_part_end": self._end_part,
                },
            )
        except FormParserError as error:
            raise Refused(f"the form cannot be read: {error}") from error

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the body."""
        try:
            self._parser.write(piece)
        except FormParserError as error:
            raise Refused(f"the form cannot be read: {error}") from error

    def end(self) -> Sent:
        """The whole form; its digests are those of the bytes."""
        if self._parser.state != MultipartState.END:
            raise Refused("the form ends before its last boundary: the upload was cut off; send it again")
        if self._filename is None:
            raise Refused(f"the form has no file {FILE!r}; twine and uv publish send one")
        for name in _DIGESTS:
            claimed, real = self._fields.get(name, "").lower(), self._sums[name].hexdigest()
            if claimed not in ("", real):
                raise Refused(
                    f"{self._filename} was damaged on its way: its {name} is {real}, and the form says {claimed}; "
                    "send it again"
                )
        self._into.flush()
        self._into.seek(0)
        return Sent(
            fields=MappingProxyType(self._fields),
            filename=self._filename,
            content=self._into,
            size=self._size,
            sha256=self._sums["sha256_digest"].hexdigest(),
        )

    def _begin_part(self) -> None:
        self._header, self._field, self._text = {}, "", bytearray()
        self._name, self._value = b"", b""

    def _take_name(self, data: bytes, start: int, end: int) -> None:
        self._name += data[start:end]

    def _take_value(self, data: bytes, start: int, end: int) -> None:
        self._value += data[start:end]

    def _end_header(self) -> None:
        self._header[self._name.lower()] = self._value
        self._name, self._value = b"", b""

    def _end_headers(self) -> None:
        _, options = parse_options_header(self._header.get(b"content-disposition", b""))
        self._field = options.get(b"name", b"").decode("utf-8", "replace")
        if self._field == FILE:
            if self._filename is not None:
                raise Refused(f"the form has two files {FILE!r}; send each file in a form of its own")
            self._filename = options.get(b"filename", b"").decode("utf-8", "replace")
        elif self._field in _KEPT and self._field in self._fields:
            raise Refused(f"the form says {self._field} twice")

    def _take_data(self, data: bytes, start: int, end: int) -> None:
        piece = data[start:end]
        if self._field == FILE:
            self._size += len(piece)
            if self._size > self._limit:
                raise Refused(f"the file is larger than {bytes_of(self._limit)}, the upload_limit of this server", 413)
            for each in self._sums.values():
                each.update(piece)
            self._into.write(piece)
            return
        self._left -= len(piece)
        if self._left < 0:
            raise Refused(f"the fields of the form are larger than {bytes_of(FIELDS_LIMIT)}", 413)
        if self._field in _KEPT:
            self._text += piece
        if len(self._text) > _LONGEST and self._field != _ATTESTATIONS:
            raise Refused(f"the field {self._field} of the form has more than {_LONGEST:,} bytes")

    def _end_part(self) -> None:
        if self._field in _KEPT:
            self._fields[self._field] = self._text.decode("utf-8", "replace")
