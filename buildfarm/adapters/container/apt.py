"""How this machine's apt reaches its archives, for an apt elsewhere that is to reach them too."""

from __future__ import annotations

import contextlib
import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

_SETTING = re.compile(  # not what names files or programs of this machine
    r"Acquire::(?:(?:http|https|ftp)(?:::[\w.-]+)*::(?:Proxy|Timeout|Pipeline-Depth|No-Cache|Verify-Peer|Verify-Host)"
    r'|Retries|ForceIPv[46]|Check-Valid-Until|Queue-Mode) "[^"/][^"]*";'
)
_LOGINS = ("FILE", "Dir::Etc::netrc/f", "PARTS", "Dir::Etc::netrcparts/d")


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """Settings, a line each, and logins as of apt_auth.conf(5). Either may hold a password: ``repr`` is silent."""

    settings: tuple[str, ...] = field(default=(), repr=False)
    logins: bytes = field(default=b"", repr=False)

    def files(self, folder: str, *more: str) -> dict[str, bytes]:
        """The files of an absolute folder by their names: ``apt.conf``, with the lines ``more``, and what it names."""
        logins = {"auth.conf": self.logins} if self.logins else {}
        named = (f'Dir::Etc::netrc "{folder}/{name}";' for name in logins)
        lines = (*self.settings, *more, *named)
        return {"apt.conf": "".join(f"{line}\n" for line in lines).encode(), **logins}


def apt_of(environ: Mapping[str, str]) -> Apt:
    """What apt is told on this machine; nothing where there is none. A login that we may not read is left out."""
    program = shutil.which("apt-config", path=environ.get("PATH"))
    if program is None:
        return Apt()

    def said(*words: str) -> list[str]:
        command = [program, *words]
        done = subprocess.run(command, env=dict(environ), capture_output=True, text=True, check=False)
        return done.stdout.splitlines()

    named = dict(word.split("=", 1) for word in shlex.split("\n".join(said("shell", *_LOGINS))))
    return Apt(
        settings=tuple(line for line in said("dump") if _SETTING.fullmatch(line)),
        logins=b"".join(_logins(Path(named.get("FILE", "")), Path(named.get("PARTS", "")))),
    )


def _logins(file: Path, folder: Path) -> Iterator[bytes]:
    """In apt's order: of two that fit, the first counts."""
    parts = sorted(each for each in folder.glob("*") if each.suffix in ("", ".conf")) if folder.is_absolute() else []
    for each in (file, *parts):
        with contextlib.suppress(OSError):
            yield each.read_bytes() + b"\n"
