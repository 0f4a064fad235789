"""What an ELF file asks of the system it is loaded on, read from its bytes.

Read as the loader reads it, from the program headers: section headers may be stripped, or say something else. And read
here, not by pyelftools, because the coordinator reads an untrusted build's bytes: that library follows every count and
every endless name, and 10 MB with 60,000 sections would keep it busy for half an hour (37 ms a section, measured). Here
all work is bounded by the length of the bytes. The tests hold both readers to the same answers.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.errors import BuildfarmError

_MACHINES = {
    (3, 32, "little"): "i686",
    (20, 64, "big"): "ppc64",
    (21, 64, "big"): "ppc64",
    (21, 64, "little"): "ppc64le",
    (22, 64, "big"): "s390x",
    (40, 32, "little"): "armv7l",
    (62, 64, "little"): "x86_64",
    (183, 64, "little"): "aarch64",
    (243, 64, "little"): "riscv64",
    (258, 64, "little"): "loongarch64",
}
_LOAD, _DYNAMIC, _GNU_STACK = 1, 2, 0x6474E551
_NEEDED, _HASH, _STRTAB, _SYMTAB, _STRSZ, _SONAME, _RPATH, _RUNPATH = 1, 4, 5, 6, 10, 14, 15, 29
_TEXTREL, _FLAGS, _FLAG_TEXTREL = 22, 30, 4
_GNU_HASH, _VERNEED, _VERNEEDNUM = 0x6FFFFEF5, 0x6FFFFFFE, 0x6FFFFFFF
_EXECUTE, _WRITE = 1, 2
_WEAK = 2
_LONGEST_NAME = 4096
_MOST = 10_000  # names of one sort; a real file has hundreds
_INIT = ("PyInit_", "PyInitU_", "init")


class NotAnElf(BuildfarmError):
    """Bytes that begin like an ELF file and are none that a loader could use. ``str(error)`` says why."""

    exit_code = 1


class ElfKind(StrEnum):
    """What the file header says it is."""

    SHARED = "shared library"
    EXECUTABLE = "executable"
    RELOCATABLE = "object file"
    OTHER = "other"


@dataclass(frozen=True, slots=True, kw_only=True)
class Elf:
    """One ELF file.

    ``machine`` is spelled as in platform tags (``x86_64``; ``machine 8, 32 bits, big-endian`` where no tag has it).
    ``rpath`` and ``runpath`` are split at colons. ``versions`` are pairs of library and version (``libc.so.6``,
    ``GLIBC_2.17``). ``text_relocations``: the loader must write into its code; ``writable_code``: a part of it is
    loaded both writable and executable. ``wants`` are the undefined symbols of CPython's API that it cannot do without,
    ``gives`` the defined symbols of such names; ``modules`` the extension modules that the file initialises (``foo``
    for ``PyInit_foo``).
    """

    kind: ElfKind
    machine: str
    bits: int
    byte_order: str
    needed: tuple[str, ...] = ()
    soname: str = ""
    rpath: tuple[str, ...] = ()
    runpath: tuple[str, ...] = ()
    versions: tuple[tuple[str, str], ...] = ()
    executable_stack: bool = False
    text_relocations: bool = False
    writable_code: bool = False
    wants: tuple[str, ...] = ()
    gives: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()


def is_elf(content: bytes | bytearray) -> bool:
    """Whether bytes begin like an ELF file."""
    return content[:4] == b"\x7fELF"


def read_elf(content: bytes | bytearray) -> Elf | None:
    """Read an ELF file; None for bytes that do not begin like one.

    Raises ``NotAnElf`` for a truncated or contradictory file, and nothing else, whatever the bytes are.
    """
    if not is_elf(content):
        return None
    try:
        return _Reader(content).read()
    except (struct.error, IndexError, OverflowError) as error:
        raise NotAnElf("it ends in the middle of a table, or before it") from error


class _Reader:
    """One pass over the bytes of one file."""

    def __init__(self, content: bytes | bytearray) -> None:
        self.content = content
        self.bits = {1: 32, 2: 64}.get(content[4], 0)
        self.byte_order = {1: "little", 2: "big"}.get(content[5], "")
        if not self.bits or not self.byte_order:
            raise NotAnElf("its header has neither a known class nor a known byte order")
        self.end = "<" if self.byte_order == "little" else ">"
        self.wide = self.bits == 64
        self.loads: list[tuple[int, int, int]] = []
        self.dynamic: list[tuple[int, int]] = []
        self.strings = b""
        self.executable_stack = self.writable_code = False

    def read(self) -> Elf:
        kind, machine = self.unpack("HH", 16)
        self.read_segments()
        self.strings = self.read_strings()
        wants, gives, modules = self.read_symbols()
        return Elf(
            kind={1: ElfKind.RELOCATABLE, 2: ElfKind.EXECUTABLE, 3: ElfKind.SHARED}.get(kind, ElfKind.OTHER),
            machine=_MACHINES.get((machine, self.bits, self.byte_order))
            or f"machine {machine}, {self.bits} bits, {self.byte_order}-endian",
            bits=self.bits,
            byte_order=self.byte_order,
            needed=tuple(self.strings_of(_NEEDED)),
            soname=next(self.strings_of(_SONAME), ""),
            rpath=tuple(self.paths_of(_RPATH)),
            runpath=tuple(self.paths_of(_RUNPATH)),
            versions=tuple(sorted(set(self.read_versions()))),
            executable_stack=self.executable_stack,
            text_relocations=self.tag(_TEXTREL) is not None or bool((self.tag(_FLAGS) or 0) & _FLAG_TEXTREL),
            writable_code=self.writable_code,
            wants=wants,
            gives=gives,
            modules=modules,
        )

    def unpack(self, form: str, offset: int) -> tuple[int, ...]:
        return struct.unpack_from(self.end + form, self.content, offset)

    def table(self, form: str, offset: int, size: int) -> Iterator[tuple[int, ...]]:
        layout = struct.Struct(self.end + form)
        whole = memoryview(self.content)[offset : offset + size]
        return layout.iter_unpack(whole[: len(whole) - len(whole) % layout.size])

    def bound(self, count: int, what: str) -> None:
        if count > _MOST:
            raise NotAnElf(f"it has more than {_MOST:,} {what}")

    def read_segments(self) -> None:
        """Remember what is loaded where and how, and the dynamic table."""
        (start,) = self.unpack("Q" if self.wide else "I", 32 if self.wide else 28)
        size, count = self.unpack("HH", 54 if self.wide else 42)
        form = "IIQQQQQQ" if self.wide else "IIIIIIII"
        if count and size != struct.calcsize(self.end + form):
            raise NotAnElf(f"its program headers are {size} bytes long")
        for number in range(count):
            header = self.unpack(form, start + number * size)
            if self.wide:
                kind, flags, offset, address, _, length, *_ = header
            else:
                kind, offset, address, _, length, _, flags, _ = header
            if kind == _LOAD:
                self.loads.append((address, offset, length))
                self.writable_code |= flags & (_EXECUTE | _WRITE) == _EXECUTE | _WRITE
            elif kind == _DYNAMIC:
                self.read_dynamic(offset, length)
            elif kind == _GNU_STACK:
                self.executable_stack = bool(flags & _EXECUTE)

    def read_dynamic(self, offset: int, size: int) -> None:
        if self.dynamic:
            raise NotAnElf("it has two dynamic tables")
        for tag, value in self.table("QQ" if self.wide else "II", offset, size):
            if tag == 0:
                return
            self.dynamic.append((tag, value))
            if len(self.dynamic) > _MOST:
                break
        raise NotAnElf("its dynamic table has no end")

    def tag(self, wanted: int) -> int | None:
        return next((value for tag, value in self.dynamic if tag == wanted), None)

    def offset(self, address: int) -> int:
        for start, offset, length in self.loads:
            if start <= address < start + length:
                return address - start + offset
        raise NotAnElf(f"its dynamic table points to {address:#x}, which is not in the file")

    def read_strings(self) -> bytes:
        address, size = self.tag(_STRTAB), self.tag(_STRSZ)
        if address is None or size is None:
            return b""
        start = self.offset(address)
        return bytes(memoryview(self.content)[start : start + size])

    def string(self, at: int) -> str:
        end = self.strings.find(b"\0", at, at + _LONGEST_NAME)
        if end < 0:
            raise NotAnElf("a name in it has no end")
        return self.strings[at:end].decode("utf-8", "backslashreplace")

    def strings_of(self, wanted: int) -> Iterator[str]:
        return (self.string(value) for tag, value in self.dynamic if tag == wanted)

    def paths_of(self, wanted: int) -> Iterator[str]:
        """The folders of search paths; the loader takes a wholly empty path for none."""
        return (part for path in self.strings_of(wanted) if path for part in path.split(":"))

    def read_versions(self) -> Iterator[tuple[str, str]]:
        """Walk DT_VERNEED: for each library a list of versions, both chained by relative offsets (0: the last)."""
        address, count = self.tag(_VERNEED), self.tag(_VERNEEDNUM) or 0
        if address is None or not count:
            return
        self.bound(count, "libraries with symbol versions")
        seen, at = 0, self.offset(address)
        for _ in range(count):
            _, versions, library, first, following = self.unpack("HHIII", at)
            name, entry = self.string(library), at + first
            for _ in range(versions):
                seen += 1
                self.bound(seen, "symbol versions")
                *_, version, after = self.unpack("IHHII", entry)
                yield name, self.string(version)
                entry += after
                if not after:
                    break
            at += following
            if not following:
                break

    def read_symbols(self) -> tuple[tuple[str, ...], tuple[str, ...], tuple[str, ...]]:
        """Of the dynamic symbols, those of CPython's API, undefined and defined, and the names of the modules."""
        address = self.tag(_SYMTAB)
        if address is None:
            return (), (), ()
        wants: set[str] = set()
        gives: set[str] = set()
        modules: set[str] = set()
        form, size, info, section = ("IBBHQQ", 24, 1, 3) if self.wide else ("IIIBBH", 16, 3, 5)
        for symbol in self.table(form, self.offset(address), self.count_symbols() * size):
            if not self.strings.startswith((b"Py", b"_Py", b"init"), symbol[0]):
                continue
            name, defined = self.string(symbol[0]), symbol[section] != 0
            if defined:
                modules.update(name.removeprefix(prefix) for prefix in _INIT if name.startswith(prefix))
            if not name.startswith("init") and (defined or symbol[info] >> 4 != _WEAK):
                (gives if defined else wants).add(name)
            self.bound(len(wants) + len(gives) + len(modules), "symbols of Python's API")
        return tuple(sorted(wants)), tuple(sorted(gives)), tuple(sorted(modules))

    def count_symbols(self) -> int:
        """The length of the symbol table, which only the hash tables tell."""
        if address := self.tag(_GNU_HASH):
            return self.count_hashed(self.offset(address))
        if address := self.tag(_HASH):
            # s390x is the one machine of ours whose SysV hash table has words of 8 bytes
            word = "Q" if self.unpack("H", 18) == (22,) and self.wide else "I"
            return self.unpack(word * 2, self.offset(address))[1]
        return 0

    def count_hashed(self, at: int) -> int:
        """Symbols before those of the GNU hash table, and up to the end of the last bucket's chain."""
        buckets, first, bloom, _ = self.unpack("IIII", at)
        at += 16 + bloom * (8 if self.wide else 4)
        last = max((bucket for (bucket,) in self.table("I", at, buckets * 4)), default=0)
        if last < first:
            return first
        chain = at + (buckets + last - first) * 4
        for (word,) in self.table("I", chain, len(self.content)):
            last += 1
            if word & 1:
                return last
        raise NotAnElf("its symbol hash table has no end")
