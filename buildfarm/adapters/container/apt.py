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

_HERE = re.compile(r"Acquire::(?:(?:http|https|ftp)::|(?:Retries|ForceIPv[46]|Check-Valid-Until|Queue-Mode) ).*")
_ELSEWHERE = re.compile(  # what names no file or program of this machine
    r"Acquire::(?:(?:http|https|ftp)(?:::[\w.-]+)*"
    r"::(?:Proxy|Timeout|Pipeline-Depth|No-Cache|Verify-Peer|Verify-Host)(?:::[\w.-]+)?"
    r'|Retries|ForceIPv[46]|Check-Valid-Until|Queue-Mode) "[^"/][^"]*";'
)
_LOGINS = ("FILE", "Dir::Etc::netrc/f", "PARTS", "Dir::Etc::netrcparts/d")
_PART = re.compile(r"[\w:-]+|[\w:-][\w:.-]*\.conf")


APT_FILES = ("apt.conf", "auth.conf")
"""Settings, which name the logins; and those, where there are any."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """Settings, a line each, and logins as of apt_auth.conf(5). Either may hold a password: ``repr`` is silent."""

    settings: tuple[str, ...] = field(default=(), repr=False)
    logins: bytes = field(default=b"", repr=False)

    def files(self, folder: str, *more: str) -> dict[str, bytes]:
        """``APT_FILES`` of an absolute folder by their names; ``more`` are further settings."""
        settings, logins = APT_FILES
        lines = [*self.settings, *more]
        if self.logins:
            lines.append(f'Dir::Etc::netrc "{folder}/{logins}";')
        written = {settings: "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")}
        return {**written, logins: self.logins} if self.logins else written


def apt_of(environ: Mapping[str, str], *, here: bool = False) -> Apt:
    """What apt is told on this machine; nothing where there is none. A login that we may not read is left out.

    For an apt that runs ``here`` files and programs of this machine count too.
    """
    program = shutil.which("apt-config", path=environ.get("PATH"))
    if program is None:
        return Apt()
    setting = _HERE if here else _ELSEWHERE

    def said(*words: str) -> list[str]:
        command = [program, *words]
        done = subprocess.run(command, env=dict(environ), capture_output=True, check=False)
        return done.stdout.decode(errors="surrogateescape").splitlines()

    named = dict(word.split("=", 1) for word in shlex.split("\n".join(said("shell", *_LOGINS))))
    return Apt(
        settings=tuple(line for line in said("dump") if setting.fullmatch(line)),
        logins=b"".join(_logins(Path(named.get("FILE", "")), Path(named.get("PARTS", "")))),
    )


def _logins(file: Path, folder: Path) -> Iterator[bytes]:
    """Those files that apt reads, in its order: of two that fit, the first counts."""
    parts = sorted(each for each in folder.glob("*") if _PART.fullmatch(each.name)) if folder.is_absolute() else []
    for each in (file, *parts):
        with contextlib.suppress(OSError):
            yield each.read_bytes() + b"\n"
