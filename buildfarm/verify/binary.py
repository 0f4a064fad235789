"""Compiled code among the members of a wheel: ELF read, PE and Mach-O recognised."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildfarm.verify.elf import Elf, ElfKind, NotAnElf, read_elf
from buildfarm.verify.places import read_places

_MACH_O = (b"\xfe\xed\xfa\xce", b"\xce\xfa\xed\xfe", b"\xfe\xed\xfa\xcf", b"\xcf\xfa\xed\xfe")
_FAT = b"\xca\xfe\xba\xbe"
_OLDEST_JAVA = 45  # a Java class file has the magic of a fat Mach-O, then its version; a fat file, how many slices
_PE_IS_DLL = 0x2000


class Format(StrEnum):
    """Formats of compiled code."""

    ELF = "ELF"
    PE = "PE"
    MACH_O = "Mach-O"


@dataclass(frozen=True, slots=True, kw_only=True)
class Binary:
    """One compiled file of a wheel.

    ``elf`` is None for other formats, and for a broken ELF file, of which ``problem`` says what is wrong. ``program``:
    it is started, not loaded. ``places`` are absolute paths in it, of an ELF file, at which it may look for something.
    """

    path: str
    format: Format
    elf: Elf | None = None
    problem: str = ""
    program: bool = False
    places: tuple[str, ...] = ()

    @property
    def filename(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]

    @property
    def extension(self) -> bool:
        """Whether Python can import it: by its initialisation function where that was read, else by its suffix."""
        if self.elf is not None:
            return self.filename.partition(".")[0] in self.elf.modules
        return self.path.endswith(".pyd" if self.format is Format.PE else ".so")


def read_binary(path: str, content: bytes | bytearray) -> Binary | None:
    """Recognise a member by its first bytes; None for one that is no compiled code. Of ELF all of it is wanted."""
    try:
        elf = read_elf(content)
    except NotAnElf as error:
        return Binary(path=path, format=Format.ELF, problem=str(error))
    if elf is not None:
        program = elf.kind is ElfKind.EXECUTABLE
        return Binary(path=path, format=Format.ELF, elf=elf, program=program, places=read_places(content))
    if content[:2] == b"MZ":
        start = int.from_bytes(content[60:64], "little")
        if content[start : start + 4] == b"PE\0\0":
            flags = int.from_bytes(content[start + 22 : start + 24], "little")
            return Binary(path=path, format=Format.PE, program=not flags & _PE_IS_DLL)
    if content[:4] in _MACH_O or (content[:4] == _FAT and int.from_bytes(content[4:8]) < _OLDEST_JAVA):
        return Binary(path=path, format=Format.MACH_O)
    return None
