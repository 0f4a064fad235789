"""A bare copy of somebody's git repository that holds the commits that were asked for. Nothing of it is ever run."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, NoReturn

from buildfarm.adapters.locked import locked
from buildfarm.model.errors import Unavailable
from buildfarm.model.outcome import Reason
from buildfarm.model.url import redacted
from buildfarm.steps.entry import BOUNDS, refuse

_SECONDS = 1800.0  # for one command of git
_PACK = BOUNDS.total // 512  # blocks: the largest file that git may write
_OPTIONS = {
    "core.hooksPath": "/dev/null",
    "core.fsmonitor": "false",
    "fetch.recurseSubmodules": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "http.lowSpeedLimit": "1000",
    "http.lowSpeedTime": "60",
    "protocol.allow": "never",
    "protocol.http.allow": "always",
    "protocol.https.allow": "always",
    "protocol.ssh.allow": "always",
}
_QUIET = {"GIT_TERMINAL_PROMPT": "0", "GIT_ASKPASS": "true", "SSH_ASKPASS": "true", "LC_ALL": "C"}
_ELSEWHERE = ("DIR", "WORK_TREE", "INDEX_FILE", "OBJECT_DIRECTORY", "ALTERNATE_OBJECT_DIRECTORIES", "COMMON_DIR")
_LEFT_BEHIND = ("*.lock", "tmp_pack_*", "tmp_idx_*", "tmp_obj_*")  # by a git that was killed
_UNUSED = 90 * 24 * 3600.0  # seconds after which a copy is removed
_ANEW = "remove cache/git in the home, and try again"
_ROW = re.compile(rb"(\d{6}) (\w+) ([0-9a-f]+) +(-|\d+)\t(.+)", re.DOTALL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Blob:
    """A file, link (mode 120000) or submodule (160000; no size) of a tree; ``path`` is as the tree has it."""

    path: str
    mode: str
    oid: str
    size: int = 0


class GitRepository:
    """The copy of ``url`` in ``folder``. ``environ`` is git's; variables in it that name another repository are not.

    All methods raise ``Unavailable`` (code ``git``).
    """

    def __init__(self, url: str, folder: Path, environ: Mapping[str, str]) -> None:
        elsewhere = {f"GIT_{name}" for name in _ELSEWHERE}
        self.url = url
        self._folder = folder
        self._environ = {"GIT_SSH_COMMAND": "ssh -oBatchMode=yes"}
        self._environ |= {name: value for name, value in environ.items() if name not in elsewhere} | _QUIET
        if shutil.which("git", path=environ.get("PATH")) is None:
            self._refuse("git is not installed on the coordinator", "install it (on Debian: apt install git)")

    def bring(self, commit: str) -> None:
        """Fetch the commit, alone where the server lets one ask for it; nothing is asked for one that is here."""
        kept = f"refs/buildfarm/{commit}"
        with self._used():
            if self._run("rev-parse", "--git-dir").returncode:
                self._begin("sha256" if len(commit) == 64 else "sha1")
            if self._run("rev-parse", "--verify", "--quiet", kept).returncode:
                try:
                    self._fetch(commit, kept)
                except Unavailable:
                    if not self._cleared():
                        raise
                    self._fetch(commit, kept)
            found = self._say("rev-parse", "--verify", f"{kept}^{{commit}}").decode().strip()
        if found != commit:
            self._refuse(f"{commit} is a tag, not a commit", f"name the commit that it stands for: {found}")

    @contextmanager
    def _used(self) -> Iterator[None]:
        self._folder.parent.mkdir(parents=True, exist_ok=True)
        lock = self._folder.with_suffix(".lock")
        with locked(lock):
            os.utime(lock)  # `remove_unused` reads it
            yield

    def _begin(self, object_format: str) -> None:
        """An empty repository, whole or not at all; in place of whatever is no repository."""
        aside = self._folder.with_suffix(".new")
        for old in (aside, self._folder):
            shutil.rmtree(old, ignore_errors=True)
        self._say(f"--git-dir={aside}", "init", "--quiet", "--bare", "--object-format", object_format)
        aside.rename(self._folder)

    def _cleared(self) -> bool:
        """Whether a git that was killed had left something in the way, which is now removed."""
        left = [path for pattern in _LEFT_BEHIND for path in self._folder.rglob(pattern)]
        for path in left:
            path.unlink()
        return bool(left)

    def _fetch(self, commit: str, kept: str) -> None:
        alone = self._run("fetch", "--quiet", "--depth", "1", "--no-tags", "--", self.url, f"{commit}:{kept}")
        if alone.returncode:
            self._bring_all(commit, kept)

    def _bring_all(self, commit: str, kept: str) -> None:
        whole = ("+refs/heads/*:refs/all/heads/*", "+refs/tags/*:refs/all/tags/*")
        self._say("fetch", "--quiet", "--no-tags", "--", self.url, *whole)
        if self._run("cat-file", "-e", commit).returncode:
            self._refuse(f"it has no commit {commit}", "was it pushed to a branch? `git rev-parse TAG` tells a tag's")
        self._say("update-ref", kept, commit)

    def time(self, commit: str) -> int:
        """When the commit was made, in seconds."""
        return int(self._say("show", "--no-patch", "--no-show-signature", "--format=%ct", commit))

    def tree(self, commit: str) -> tuple[Blob, ...]:
        """Everything that the commit holds; refuses more than an archive may (code ``archive``)."""
        found: list[Blob] = []
        with self._open("ls-tree", "-r", "-z", "-l", "--full-tree", commit) as (_, rows):
            for row in _records(rows):
                told = _ROW.fullmatch(row)
                if told is None or len(found) >= BOUNDS.entries:
                    refuse(self._name, f"has more than {BOUNDS.entries} entries, or some that are not understood")
                size = int(told[4]) if told[4] != b"-" else 0
                path = told[5].decode("utf-8", "surrogateescape")
                found.append(Blob(path=path, mode=told[1].decode(), oid=told[3].decode(), size=size))
        return tuple(found)

    def submodules(self, commit: str) -> Mapping[str, str]:
        """URLs of submodules as .gitmodules has them, by path."""
        asked = ("config", "--blob", f"{commit}:.gitmodules", "-z", "--get-regexp", r"^submodule\..*\.(path|url)$")
        told = self._run(*asked).stdout.decode("utf-8", "surrogateescape")
        values = dict(each.split("\n", 1) for each in told.split("\0") if "\n" in each)
        paths = {key.removesuffix(".path"): value for key, value in values.items() if key.endswith(".path")}
        return {path: values[f"{name}.url"] for name, path in paths.items() if f"{name}.url" in values}

    @contextmanager
    def contents(self, oids: Sequence[str]) -> Iterator[Iterator[IO[bytes]]]:
        """The contents of the objects in that order: each stream stands before as many bytes as the object has."""
        with self._open("cat-file", "--batch") as (wishes, answers):
            yield self._contents(oids, wishes, answers)

    def _contents(self, oids: Sequence[str], wishes: IO[bytes], answers: IO[bytes]) -> Iterator[IO[bytes]]:
        for oid in oids:
            wishes.write(f"{oid}\n".encode())
            wishes.flush()
            if not answers.readline().startswith(f"{oid} blob ".encode()):
                self._refuse(f"its object {oid} is missing", _ANEW)
            yield answers
            answers.read(1)  # a line feed

    @property
    def _name(self) -> str:
        return redacted(self.url)

    def _refuse(self, why: str, advice: str) -> NoReturn:
        raise Unavailable(Reason(code="git", message=f"could not get {self._name} by git: {why}", advice=advice))

    def _argv(self, arguments: Sequence[str]) -> list[str]:
        options = {**_OPTIONS, "protocol.file.allow": "always" if self.url.startswith("file://") else "never"}
        settings = [word for name, value in options.items() for word in ("-c", f"{name}={value}")]
        # By a shell, so that a server cannot fill the disk.
        bounded = ("sh", "-c", f'ulimit -f {_PACK}; exec "$@"', "sh")
        return [*bounded, "git", *settings, "--git-dir", str(self._folder), *arguments]

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[bytes]:
        try:
            return subprocess.run(
                self._argv(arguments),
                env=self._environ,
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
                timeout=_SECONDS,
            )
        except subprocess.TimeoutExpired:
            self._refuse(f"git {arguments[0]} took longer than {_SECONDS:.0f} s", "try again, or take the sdist")

    def _say(self, *arguments: str) -> bytes:
        done = self._run(*arguments)
        if done.returncode:
            said = [line for line in done.stderr.decode("utf-8", "replace").splitlines() if line.strip()]
            why = "; ".join(said[-3:]).replace(self.url, self._name) or f"git {arguments[0]}: {done.returncode}"
            self._refuse(why, f"does `git ls-remote {self._name}` work here, without asking for a password?")
        return done.stdout

    @contextmanager
    def _open(self, *arguments: str) -> Iterator[tuple[IO[bytes], IO[bytes]]]:
        with subprocess.Popen(
            self._argv(arguments),
            env=self._environ,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            try:
                if process.stdin is not None and process.stdout is not None:
                    yield process.stdin, process.stdout
                process.communicate()
            finally:
                process.kill()
        if process.returncode:
            self._refuse(f"git {arguments[0]} of its copy here ended with {process.returncode}", _ANEW)


def remove_unused(folder: Path) -> None:
    """Remove the repositories below ``folder`` that nothing was brought to for 90 days; their locks stay."""
    for lock in folder.glob("*.lock"):
        copy = lock.with_suffix("")
        if copy.is_dir() and _is_unused(lock):
            with locked(lock):
                if _is_unused(lock):
                    shutil.rmtree(copy, ignore_errors=True)


def _is_unused(lock: Path) -> bool:
    return lock.stat().st_mtime < time.time() - _UNUSED


def _records(stream: IO[bytes]) -> Iterator[bytes]:
    """What ends with NUL, one after the other."""
    rest = b""
    while chunk := stream.read(1 << 16):
        *records, rest = (rest + chunk).split(b"\0")
        yield from records
