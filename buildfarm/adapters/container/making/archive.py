"""Debian's archive, as this machine reaches it: where an old release is, its base system, and sources of interpreters.

apt works with state of its own, so that the machine's stays as it is; whatever comes is checked against the archive's
signatures.
"""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cmp_to_key
from pathlib import Path
from urllib.parse import urlsplit

from buildfarm.adapters.container.apt import apt_of
from buildfarm.adapters.host import process
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Ended

KEYRING = Path("/usr/share/keyrings/debian-archive-keyring.gpg")
_HELPER = "/usr/lib/apt/apt-helper"
_PATIENCE = 900.0  # seconds
_SMALL = (
    "--variant=minbase",
    '--aptopt=Acquire::Languages "none"',
    "--dpkgopt=force-unsafe-io",  # what does not come to its end is thrown away: nothing has to wait for the disk
    # All is in /usr, as an installed Debian has had it since 2019, and newer releases demand it.
    '--setup-hook=cd "$1"; for name in bin sbin lib lib32 lib64 libx32; do mkdir -p usr/$name; ln -s usr/$name; done',
    '--customize-hook=cd "$1/etc" && rm -f hostname resolv.conf',  # this machine's
)
_SETTINGS = "etc/apt/apt.conf.d/98machine"
_UNASKED = (
    "; those with a user name or a password in their address were not asked, for it would stay in the image: "
    "put it into /etc/apt/auth.conf.d"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """The archive, with state below ``home``; ``environ`` are the variables of its programs."""

    home: Path
    environ: Mapping[str, str]

    def mirror(self, release: str) -> str:
        """The first of this machine's own apt sources that has the release; ``FarmError`` where none has.

        One with a password in its address does not count: the address gets into the image, for all who have it.
        """
        done = self._run("apt-get", "indextargets", "--format", "$(REPO_URI)")
        known = tuple(dict.fromkeys(done.stdout.split()))
        mirrors = tuple(uri for uri in known if urlsplit(uri).username is None)
        self.home.mkdir(parents=True, exist_ok=True)
        for uri in mirrors:
            with tempfile.NamedTemporaryFile(dir=self.home) as file:
                wanted = f"{uri.rstrip('/')}/dists/{release}/Release"
                if self._run(_HELPER, "download-file", wanted, file.name).returncode == 0:
                    return uri.rstrip("/")
        asked = ", ".join(mirrors) or "none"
        raise FarmError(
            f"no apt source of this machine has Debian's release {release!r} (asked: {asked}); "
            f"add one that has it to /etc/apt/sources.list.d{_UNASKED if mirrors != known else ''}"
        )

    def architecture(self) -> str:
        """Of this machine, as Debian and engines call it: ``amd64``."""
        return self._run("dpkg", "--print-architecture").stdout.strip()

    @contextmanager
    def base(self, release: str) -> Iterator[Path]:
        """The smallest system of a release, as a tar that is gone afterwards, and what a killed one left before.
        Whoever calls is the only one that does for this release.

        Raises ``FarmError`` where mmdebstrap is missing or refuses, or where this process is not root.
        """
        self.demand()
        mirror = self.mirror(release)
        folder = self.home / release
        if folder.exists():
            shutil.rmtree(folder)
        folder.mkdir(parents=True)
        try:
            # With mounts of its own: those that an interrupted one leaves end with it. It dies with us.
            own = ("unshare", "--mount", "--propagation", "private")
            command = (*own, "mmdebstrap", "--mode=root", *_SMALL, *self._settings(folder), release, "base.tar")
            source = f"deb [signed-by={KEYRING}] {mirror} {release} main"
            environ = {**self.environ, "LC_ALL": "C", "TMPDIR": str(folder)}
            done = process.call((*command, source), environ, str(folder))
            if done.exit_code or done.ended is not Ended.EXITED:
                raise FarmError("\n".join((f"mmdebstrap cannot make {release} from {mirror}:", *done.tail[-8:])))
            yield folder / "base.tar"
        finally:
            shutil.rmtree(folder, ignore_errors=True)

    def _settings(self, folder: Path) -> tuple[str, str]:
        """What apt is told on this machine, told to mmdebstrap's while it works: what it makes holds nothing of it."""
        for name, content in apt_of(self.environ, here=True).files(str(folder)).items():
            (folder / name).touch(mode=0o600)
            (folder / name).write_bytes(content)
        put = f'--setup-hook=cp {shlex.quote(str(folder))}/apt.conf "$1/{_SETTINGS}"'
        return put, f'--customize-hook=rm "$1/{_SETTINGS}"'

    def demand(self) -> None:
        """What ``base`` needs of this machine; raises ``FarmError`` with all that is missing and how to get it."""
        lacking = []
        if shutil.which("mmdebstrap", path=self.environ.get("PATH")) is None:
            lacking.append("mmdebstrap is not installed: `apt-get install mmdebstrap`")
        if not KEYRING.exists():
            lacking.append("the keys of Debian's archive are missing: `apt-get install debian-archive-keyring`")
        if os.geteuid() != 0:
            lacking.append("mmdebstrap needs root: run the same command as root, once per machine")
        if lacking:
            raise FarmError("\n".join(lacking))

    def source(self, package: str, releases: tuple[str, ...]) -> tuple[str, Path]:
        """Version and original archive of a source package: the newest that the releases' mirror still has."""
        folder = self.home / "sources" / package
        folder.parent.mkdir(parents=True, exist_ok=True)
        with locked(self.home / "lock"):
            if there := _original(folder):
                return there
            versions = self._versions(package, releases)
            for version in versions:
                with tempfile.TemporaryDirectory(dir=folder.parent) as aside:
                    get = ("apt-get", "source", "--download-only", f"{package}={version}")
                    done = self._apt(*get, cwd=Path(aside))
                    if done.returncode < 0:
                        raise FarmError(f"apt was ended while it fetched {package} {version}")
                    if done.returncode:
                        continue  # the index names it, and the pool has it no more
                    Path(aside).rename(folder)
                    Path(aside).mkdir()  # for whoever cleans up
                if there := _original(folder):
                    return there
        tried = ", ".join(versions) or "no version of it"
        raise FarmError(f"the mirror has no source of {package} in {', '.join(releases)} (it lists {tried})")

    def _versions(self, package: str, releases: tuple[str, ...]) -> list[str]:
        """Those that the index lists, newest first."""
        mirror = self.mirror(releases[0])
        lines = (f"deb-src [signed-by={KEYRING}] {mirror} {each} main\n" for each in releases)
        (self.home / "sources.list").write_text("".join(lines))
        updated = self._apt("apt-get", "update")
        if updated.returncode:
            raise FarmError(f"apt cannot list the sources of {', '.join(releases)}:\n{_last(updated)}")
        shown = self._apt("apt-cache", "showsrc", "--only-source", package).stdout.splitlines()
        versions = {line.removeprefix("Version: ") for line in shown if line.startswith("Version: ")}
        return sorted(versions, key=cmp_to_key(self._compare), reverse=True)

    def _compare(self, one: str, other: str) -> int:
        if one == other:
            return 0
        return 1 if self._run("dpkg", "--compare-versions", one, "gt", other).returncode == 0 else -1

    def _apt(self, program: str, *arguments: str, cwd: Path | None = None) -> _Done:
        lists, cache = self.home / "lists", self.home / "cache"
        for each in (lists / "partial", cache / "archives" / "partial"):
            each.mkdir(parents=True, exist_ok=True)
        options = {
            "quiet": 2,
            "Dir::Etc::sourcelist": self.home / "sources.list",
            "Dir::Etc::sourceparts": "-",
            "Dir::State::lists": lists,
            "Dir::Cache": cache,
            "APT::Sandbox::User": "root",
            "APT::Update::Error-Mode": "any",
        }
        words = [word for name, value in options.items() for word in ("-o", f"{name}={value}")]
        return self._run(program, *words, *arguments, cwd=cwd)

    def _run(self, *argv: str, cwd: Path | None = None) -> _Done:
        environ = {**self.environ, "LC_ALL": "C"}
        try:
            return subprocess.run(
                argv, env=environ, cwd=cwd, capture_output=True, text=True, errors="replace", timeout=_PATIENCE,
                stdin=subprocess.DEVNULL, check=False,
            )  # fmt: skip
        except FileNotFoundError as error:
            raise FarmError(
                f"{argv[0]} is not there: images are made on Debian and what descends from it; on another system, "
                "name an image of a registry in images/"
            ) from error
        except subprocess.TimeoutExpired as error:
            raise FarmError(f"{argv[0]} did not end in {_PATIENCE:.0f} s; is the network there?") from error


_Done = subprocess.CompletedProcess[str]


def _original(folder: Path) -> tuple[str, Path] | None:
    """The upstream archive that came into the folder, with its version."""
    found = next(iter(sorted(folder.glob("*.orig.tar.[gx]z"))), None)
    return (found.name.partition("_")[2].partition(".orig.")[0], found) if found else None


def _last(done: _Done) -> str:
    return "\n".join((done.stdout + done.stderr).strip().splitlines()[-8:])
