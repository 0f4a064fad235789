"""Tiny wheels and tiny ELF files, made in memory."""

from __future__ import annotations

import base64
import hashlib
import io
import struct
import zipfile
from collections.abc import Callable, Mapping, Sequence

import pytest


class Strings:
    """A string table that grows."""

    def __init__(self) -> None:
        self.content = b"\0"

    def add(self, text: str) -> int:
        self.content += text.encode() + b"\0"
        return len(self.content) - len(text.encode()) - 1


def build_elf(
    *,
    machine: int = 62,
    kind: int = 3,
    needed: Sequence[str] = (),
    versions: Mapping[str, Sequence[str]] | None = None,
    soname: str = "",
    rpath: str = "",
    runpath: str = "",
    undefined: Sequence[str] = (),
    defined: Sequence[str] = (),
    executable_stack: bool = False,
    text_relocations: bool = False,
    writable_code: bool = False,
    weak: Sequence[str] = (),
    texts: Sequence[str] = (),
) -> bytes:
    """A 64-bit little-endian ELF file with program headers and a dynamic table, and no code."""
    strings = Strings()
    for text in texts:
        strings.add(text)
    dynamic = [(1, strings.add(name)) for name in needed]
    dynamic += [(tag, strings.add(text)) for tag, text in ((14, soname), (15, rpath), (29, runpath)) if text]
    dynamic += [(22, 0)] if text_relocations else []
    symbols = bytes(24)
    symbols += b"".join(struct.pack("<IBBHQQ", strings.add(name), 18, 0, 0, 0, 0) for name in undefined)
    symbols += b"".join(struct.pack("<IBBHQQ", strings.add(name), 34, 0, 0, 0, 0) for name in weak)
    symbols += b"".join(struct.pack("<IBBHQQ", strings.add(name), 18, 0, 1, 0, 0) for name in defined)
    count = len(symbols) // 24
    verneed = b""
    libraries = list((versions or {}).items())
    for place, (library, names) in enumerate(libraries, 1):
        following = 0 if place == len(libraries) else 16 + 16 * len(names)
        verneed += struct.pack("<HHIII", 1, len(names), strings.add(library), 16, following)
        for number, name in enumerate(names, 1):
            verneed += struct.pack("<IHHII", 0, 0, 2, strings.add(name), 0 if number == len(names) else 16)
    tables = {6: symbols, 4: struct.pack("<IIII", 1, count, 0, 0) + bytes(4 * count), 5: strings.content}
    if verneed:
        tables[0x6FFFFFFE] = verneed
        dynamic.append((0x6FFFFFFF, len(libraries)))
    at, body = 64 + 3 * 56, b""
    for tag, table in tables.items():
        dynamic.append((tag, at + len(body)))
        body += table + bytes(-len(table) % 8)
    dynamic += [(10, len(strings.content)), (0, 0)]
    where, packed = at + len(body), b"".join(struct.pack("<QQ", *entry) for entry in dynamic)
    end = where + len(packed)
    header = b"\x7fELF\x02\x01\x01" + bytes(9)
    header += struct.pack("<HHIQQQIHHHHHH", kind, machine, 1, 0, 64, 0, 0, 64, 56, 3, 64, 0, 0)
    header += struct.pack("<IIQQQQQQ", 1, 7 if writable_code else 5, 0, 0, 0, end, end, 4096)
    header += struct.pack("<IIQQQQQQ", 2, 6, where, where, where, len(packed), len(packed), 8)
    header += struct.pack("<IIQQQQQQ", 0x6474E551, 7 if executable_stack else 6, 0, 0, 0, 0, 0, 16)
    return header + body + packed


def build_wheel(
    filename: str,
    files: Mapping[str, bytes] | None = None,
    *,
    purelib: bool | None = None,
    metadata: str = "",
    without: Sequence[str] = (),
    licensed: bool = True,
    **texts: str,
) -> bytes:
    """A sound wheel of that name, with a licence. ``metadata`` is added to METADATA; WHEEL, RECORD and METADATA may be
    given whole.
    """
    parts = filename.removesuffix(".whl").split("-")
    project, version, *_, python, abi, platform = parts
    dist_info = f"{project}-{version}.dist-info"
    purelib = platform == "any" if purelib is None else purelib
    tags = "".join(f"Tag: {python}-{abi}-{part}\n" for part in platform.split("."))
    whole = dict(files or {})
    if licensed:
        whole.setdefault(f"{dist_info}/licenses/LICENSE", b"MIT")
    whole[f"{dist_info}/METADATA"] = texts.get(
        "METADATA", f"Metadata-Version: 2.4\nName: {project}\nVersion: {version}\n{metadata}"
    ).encode()
    whole[f"{dist_info}/WHEEL"] = texts.get(
        "WHEEL", f"Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: {str(purelib).lower()}\n{tags}"
    ).encode()
    rows = [
        f"{path},sha256={base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b'=').decode()},{len(body)}\n"
        for path, body in whole.items()
    ]
    record = texts.get("RECORD", "".join([*rows, f"{dist_info}/RECORD,,\n"]))
    whole[f"{dist_info}/RECORD"] = record.encode()
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, body in whole.items():
            if path.removeprefix(f"{dist_info}/") not in without:
                archive.writestr(zipfile.ZipInfo(path), body)
    return content.getvalue()


@pytest.fixture(scope="session")
def elf() -> Callable[..., bytes]:
    return build_elf


@pytest.fixture(scope="session")
def wheel() -> Callable[..., bytes]:
    return build_wheel
