"""System packages unpacked into one folder, once per machine, and how builds find what is in it.

A *prefix* is what ``/usr`` would be with these packages, at a path of its own, so that it takes neither root nor a
sandbox. Whatever in it names ``/usr`` is told where it is instead.
"""

from __future__ import annotations

import glob
import hashlib
import io
import json
import os.path
import re
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from tarfile import TarInfo
from typing import IO

from buildfarm.adapters.host import debs
from buildfarm.adapters.host.folder import Folder
from buildfarm.adapters.locked import locked
from buildfarm.model.canonical import digest, from_plain, to_plain
from buildfarm.model.system import SeenPackage, SystemPackage
from buildfarm.ports import Progress, Report, Store

_LAYOUT = "2"  # raised when a prefix is made in another way
_KEPT = ("usr/include", "usr/lib", "usr/bin", "usr/share")
_LEFT = tuple(f"usr/share/{name}" for name in ("doc", "man", "info", "locale", "lintian", "bug"))
_TEXT = ("utf-8", "surrogateescape")
_NAMES_USR = re.compile(r"/usr(?=/(?:include|lib|share|bin)\b|$)", re.MULTILINE)
# A program that prints where things are, as it was told when it was compiled.
_CONFIG = """#!/bin/sh
said=$({program} "$@") || exit
printf '%s\\n' "$said" | sed -E -e 's#/usr/(include|lib|share|bin)#'{prefix}'/usr/\\1#g' -e 's#^/usr$#'{prefix}'/usr#'
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prefix:
    """An unpacked set of packages at ``root``, for builds on the architecture ``arch`` of Linux."""

    root: Path
    arch: str
    packages: tuple[SeenPackage, ...]

    @property
    def path(self) -> tuple[str, ...]:
        """Folders for PATH: the programs of the packages."""
        return str(self.root / "config"), str(self.root / "usr/bin")

    @property
    def env(self) -> dict[str, str]:
        """Variables by which compiler, pkg-config, CMake, auditwheel and the programs themselves find it all."""
        usr = self.root / "usr"
        libraries = f"{usr}/lib/{self.arch}-linux-gnu"
        headers = f"{usr}/include:{usr}/include/{self.arch}-linux-gnu"
        return {
            "BUILDFARM_SYSTEM": str(usr),
            "C_INCLUDE_PATH": headers,
            "CPLUS_INCLUDE_PATH": headers,
            "LIBRARY_PATH": f"{libraries}:{usr}/lib",
            "LD_LIBRARY_PATH": f"{libraries}:{usr}/lib",
            "PKG_CONFIG_LIBDIR": f"{libraries}/pkgconfig:{usr}/lib/pkgconfig:{usr}/share/pkgconfig",
            "CMAKE_PREFIX_PATH": f"{usr}:{libraries}/cmake",
            "CMAKE_INCLUDE_PATH": headers,
            "CMAKE_LIBRARY_PATH": libraries,
        }


def provide(packages: tuple[SystemPackage, ...], arch: str, home: Path, store: Store, report: Report) -> Prefix:
    """The prefix of these packages below ``home``, unpacked there where it is not yet; their files are in the store."""
    root = home / digest([_LAYOUT, str(home), [each.artifact.sha256 for each in packages]])[:16]
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / f"{root.name}.lock"):
        if not root.is_dir():
            report(Progress(job="", step="packages", message=f"unpacking {len(packages)} system packages (once) …"))
            aside = home / f"{root.name}.new"
            Folder(aside).remove()
            aside.mkdir()
            seen = _unpack(packages, aside, root, store)
            (aside / "seen.json").write_text(json.dumps(to_plain(seen)))
            aside.rename(root)
    seen = from_plain(tuple[SeenPackage, ...], json.loads((root / "seen.json").read_text()))
    return Prefix(root=root, arch=arch, packages=seen)


def _unpack(packages: Iterable[SystemPackage], aside: Path, root: Path, store: Store) -> tuple[SeenPackage, ...]:
    """Into ``aside``, as it shall be at ``root``."""
    folder = Folder(aside)
    licences: dict[str, str] = {}
    libraries: dict[str, dict[str, str]] = {}
    for package in packages:
        libraries[package.name] = {}
        with store.open(package.artifact.sha256) as deb, debs.members(deb) as members:
            for path, entry, content in members:
                if path.name == "copyright" and content:
                    licences[path.parent.name] = content.read().decode(errors="replace")
                elif entry.issym() and path.parent == PurePosixPath("usr/share/doc"):
                    licences.setdefault(path.name, f"→{PurePosixPath(entry.linkname).name}")
                elif _is_kept(path):
                    _put(folder, path, entry, content, root)
                    if entry.isreg() and debs.is_library(path):
                        with (aside / path).open("rb") as library:
                            libraries[package.name][path.name] = hashlib.file_digest(library, "sha256").hexdigest()
    _answer_for_config_programs(aside, root)
    return tuple(
        SeenPackage(package=each, libraries=libraries[each.name], licence=_licence(each.name, licences))
        for each in packages
    )


def _is_kept(path: PurePosixPath) -> bool:
    return any(path.is_relative_to(each) for each in _KEPT) and not any(path.is_relative_to(each) for each in _LEFT)


def _put(folder: Folder, path: PurePosixPath, entry: TarInfo, content: IO[bytes] | None, root: Path) -> None:
    if content:
        if path.suffix == ".pc":
            content = io.BytesIO(_NAMES_USR.sub(_in_pkg_config(root), content.read().decode(*_TEXT)).encode(*_TEXT))
        elif path.suffix == ".so" and entry.size < 4096:
            content = io.BytesIO(_in_linker_script(content.read(), root))
        folder.write(path.parts, content, mtime=entry.mtime, mode=0o755 if entry.mode & 0o100 else 0o644)
    elif entry.islnk() and _is_kept(there := debs.place(entry.linkname)):
        for _, same in folder.matching(tuple(map(glob.escape, there.parts))):  # one, or none: it follows no link
            folder.write(path.parts, same, mtime=entry.mtime, mode=0o755 if entry.mode & 0o100 else 0o644)
    elif entry.issym():
        there = debs.place(os.path.normpath(path.parent / entry.linkname))  # refuses what leads out
        folder.link(path.parts, os.path.relpath(there, path.parent))


def _in_linker_script(text: bytes, root: Path) -> bytes:
    return text if text.startswith(b"\x7fELF") else text.replace(b"/usr/lib/", f"{root}/usr/lib/".encode())


def _in_pkg_config(root: Path) -> str:
    return f"{root}/usr".replace("\\", r"\\").replace(" ", r"\\ ")


def _answer_for_config_programs(aside: Path, root: Path) -> None:
    """Programs such as pg_config, that come before those of the packages on PATH and name the prefix for ``/usr``."""
    (aside / "config").mkdir()
    for program in sorted((aside / "usr/bin").glob("*config")):
        if "pkg" not in program.name:
            stub = aside / "config" / program.name
            real = shlex.quote(str(root / "usr/bin" / program.name))
            stub.write_text(_CONFIG.format(program=real, prefix=shlex.quote(str(root))))
            stub.chmod(0o755)


def _licence(name: str, licences: dict[str, str]) -> str:
    """The text of its copyright file, also where its folder is a link to that of another package."""
    text = licences.get(name, "")
    return licences.get(text[1:], "") if text.startswith("→") else text
