"""apt without root: what some packages need on a system that has a C library and a compiler, and nothing else.

It works with lists of its own and a status that we write, from the machine's own sources. Signatures are checked,
nothing is installed, and no maintainer script runs.
"""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from buildfarm.adapters.locked import locked
from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.ports import Progress, Report

PROGRAMS = ("apt-get", "apt-cache", "dpkg-deb")
"""What a system of Debian's family has in ``usr/bin``, and all this takes."""

Stanza = Mapping[str, str]
"""What the lists say of one version of a package: field → the first line of its value."""

PATIENCE = 600.0
"""Seconds in which a program must have fetched what it was asked for."""

_HELPER = "/usr/lib/apt/apt-helper"
_NAME = re.compile(r"[a-z0-9][a-z0-9+.-]*[a-z0-9+]")  # none of apt's own suffixes: name- removes, name=1 chooses
_FRESH = 24 * 3600.0  # seconds that our lists serve
# What a session has in a way of its own, or only a maintainer script would want. It is never unpacked.
_PRESENT = """libc6 libc6-dev libgcc-s1 libstdc++6 gcc g++ binutils make perl perl-base python3 debconf dpkg adduser ucf
ca-certificates sensible-utils init-system-helpers tzdata media-types install-info""".split()  # noqa: SIM905 - words
_STATUS = ("Package", "Version", "Architecture", "Multi-Arch", "Provides")
_GONE = re.compile(r"404 +Not Found|File not found")
_URI = re.compile(r"'(?P<uri>[^']+)' (?P<name>[^_ ]+)_(?P<version>[^_ ]+)_\w+\.deb \d+ .*")


class Gone(Unavailable):
    """The mirror has moved on: it no longer has a file that its lists named."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Apt:
    """apt, with its state below ``home``; ``environ`` are its variables."""

    home: Path
    environ: Mapping[str, str]
    report: Report

    def closure(self, names: tuple[str, ...]) -> tuple[Stanza, ...]:
        """Everything that the packages need, themselves included, by name; the field ``URI`` says where the file is.

        Raises ``Unavailable`` in apt's own words: code ``packages`` for what it cannot give, ``upstream`` where no
        mirror answers.
        """
        for name in names:
            if not _NAME.fullmatch(name):
                raise _refused(f"{name!r} is no name of a Debian package", "Write the plain name: libyaml-dev.")
        self.home.mkdir(parents=True, exist_ok=True)
        with locked(self.home / "lock"):
            self._update()
            done = self._apt("apt-get", "--yes", "--print-uris", "install", *names)
            if done.returncode:
                raise _refused(f"apt says: {_said(done)}", self._advice(names))
            chosen = [match for line in done.stdout.splitlines() if (match := _URI.fullmatch(line))]
            exact = (f"{match['name']}={match['version'].replace('%3a', ':')}" for match in chosen)
            shown = _stanzas(self._apt("apt-cache", "show", *exact).stdout) if chosen else ()
            uris = {match["name"]: match["uri"] for match in chosen}
            found = {stanza["Package"]: {**stanza, "URI": uris[stanza["Package"]]} for stanza in shown}
        return tuple(found[name] for name in sorted(found))

    def download(self, uri: str, sha256: str, to: Path) -> None:
        """Fetch a file by apt's own means: proxies, credentials, certificates.

        Raises ``Unavailable`` (code ``upstream``); ``Gone`` where the mirror answers that it has no such file.
        """
        self.home.mkdir(parents=True, exist_ok=True)
        done = self._apt(_HELPER, "download-file", uri, str(to), f"SHA256:{sha256}")
        if done.returncode:
            name, said = uri.rpartition("/")[2], _said(done)
            if _GONE.search(said):
                advice = "Another list of names is locked anew: add pkg-config to it, which is there in any case."
                raise Gone(Reason(code="upstream", message=f"the mirror no longer has {name}", advice=advice))
            raise _unanswered(f"apt cannot fetch {name}: {said}", "Is the network there?")

    def forget(self) -> None:
        """Ask the mirrors anew next time: what our lists name is no longer there."""
        (self.home / "updated").unlink(missing_ok=True)

    def renew(self) -> None:
        """Fetch the lists of what there is, unless they were today. Raises ``Unavailable`` (code ``upstream``)."""
        self.home.mkdir(parents=True, exist_ok=True)
        with locked(self.home / "lock"):
            self._update()

    def _update(self) -> None:
        stamp, status = self.home / "updated", self.home / "status"
        if stamp.exists() and time.time() - stamp.stat().st_mtime < _FRESH:
            return
        self.report(Progress(job="", step="packages", message="renewing our own package lists …"))
        for folder in ("lists/partial", "cache/archives/partial"):
            (self.home / folder).mkdir(parents=True, exist_ok=True)
        status.touch()
        done = self._apt("apt-get", "update")
        if done.returncode or not any((self.home / "lists").glob("*_Packages*")):
            message = f"apt cannot renew its lists: {_said(done)}"
            raise _unanswered(message, "Does `apt-get update` work on this machine?")
        shown = self._apt("apt-cache", "show", "--no-all-versions", *_PRESENT).stdout
        status.write_text("".join(_installed(stanza) for stanza in _stanzas(shown)))
        stamp.touch()

    def _advice(self, names: tuple[str, ...]) -> str:
        known = self._apt("apt-cache", "pkgnames").stdout.split()
        for name in names:
            alike = (each for each in known if each[:3] == name[:3])
            if name not in known and (near := get_close_matches(name, alike, cutoff=0.75)):
                return f"Did you mean {' or '.join(near)}?"
        return "`apt-cache search WORD` finds the right name."

    def _apt(self, program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = {
            "quiet": 2,
            "APT::Sandbox::User": "root",
            "APT::Install-Recommends": "false",
            "APT::Update::Error-Mode": "any",  # else a mirror that cannot be reached is a warning
            "Acquire::Languages": "none",
            "pkgCacheGen::ForceEssential": "none",
            "Dir::State::Lists": self.home / "lists",
            "Dir::State::status": self.home / "status",
            "Dir::Cache": self.home / "cache",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        environ = {**self.environ, "LC_ALL": "C"}
        argv = [program, *words, *arguments]
        try:
            return subprocess.run(argv, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
        except subprocess.TimeoutExpired as error:
            raise _unanswered(f"{program} did not end in {PATIENCE:.0f} s", "Is the network there?") from error


def _refused(message: str, advice: str) -> Unavailable:
    return Unavailable(Reason(code="packages", message=message, advice=advice))


def _unanswered(message: str, advice: str) -> Unavailable:
    return Unavailable(Reason(code="upstream", message=message, advice=advice))


def _said(done: subprocess.CompletedProcess[str]) -> str:
    errors = [line[2:].strip() for line in done.stderr.splitlines() if line.startswith("E:")]
    return "; ".join(errors) or done.stderr.strip() or f"exit code {done.returncode}"


def _stanzas(shown: str) -> Iterator[Stanza]:
    for block in shown.split("\n\n"):
        lines = (line.partition(": ") for line in block.splitlines() if not line.startswith(" "))
        stanza = {name: value for name, _, value in lines}
        if "Package" in stanza:
            yield stanza


def _installed(stanza: Stanza) -> str:
    """A stanza of dpkg's status that says the package is installed and needs nothing."""
    lines = [f"{name}: {stanza[name]}" for name in _STATUS if name in stanza]
    return "\n".join([*lines, "Status: install ok installed", "Maintainer: -", "Description: -", "", ""])
