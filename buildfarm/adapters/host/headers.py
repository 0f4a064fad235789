"""Python's headers: for a compiler that never looks into /usr/include, and without root where they are not installed.

A distribution's interpreter is given a *second prefix*: its own binary and standard library, seen from a folder that
has headers, and sysconfig data that name them. Every build backend finds them there, with no flags of its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host.apt import PATIENCE
from buildfarm.adapters.host.interpreters import Interpreter
from buildfarm.adapters.locked import locked
from buildfarm.model.errors import FarmError
from buildfarm.model.outcome import Reason
from buildfarm.ports import Progress, Report

_SYSTEM = Path("/")
_LAYOUT = "1"  # raised when a second prefix is made in another way


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Where an interpreter's headers come from, and their version.

    With neither ``package`` nor ``multiarch`` they are its own. ``package``: the Debian package that holds them, to be
    fetched; ``multiarch``: the installed folder that dispatches to another one below /usr/include, to be flattened.
    """

    version: str
    package: str = ""
    multiarch: str = ""

    @property
    def own(self) -> bool:
        """Whether the interpreter can be used as it is."""
        return not (self.package or self.multiarch)


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildPython:
    """The interpreter that makes build environments, the folders and files it needs, and the version of its headers."""

    python: str
    readable: tuple[str, ...]
    headers: str


def look(interpreter: Interpreter, system: Path = _SYSTEM) -> Headers | Reason:
    """Where the headers of an interpreter would come from; the reason where they cannot be had. Runs nothing.

    The version is the same before and after the package with the headers is installed. ``system`` is the root folder.
    """
    include = Path(interpreter.include)
    short = ".".join(interpreter.version.split(".")[:2])
    usable = (include / "Python.h").is_file() and (include / "pyconfig.h").is_file()
    if usable and not _dispatches(include / "pyconfig.h"):
        return Headers(version=interpreter.version)
    installed = _debian_packages(system, short) if _is_debian(interpreter, system, short) else {}
    package = f"libpython{short}-dev"
    version = installed.get(package) or installed.get(f"libpython{short}-stdlib", "")
    if usable:
        return Headers(version=version or interpreter.version, multiarch=interpreter.include)
    if version and (system / "usr/bin/apt-get").exists():
        return Headers(version=version, package=package)
    return _missing(interpreter, package if version else "")


def provide(
    interpreter: Interpreter, headers: Headers, home: Path, environ: Mapping[str, str], report: Report
) -> BuildPython:
    """The interpreter with usable headers: itself, or a second prefix below ``home``, made once per machine.

    ``environ`` is for apt. Raises ``FarmError`` that names the package to install when the headers cannot be fetched.
    """
    if headers.own:
        return BuildPython(python=interpreter.executable, readable=interpreter.files, headers=headers.version)
    prefix = _prefix(interpreter, headers, home)
    home.mkdir(parents=True, exist_ok=True)
    with locked(home / f"{prefix.name}.lock"):
        if not prefix.is_dir():
            with _include(interpreter, headers, home, environ, report) as (include, version):
                _make_prefix(interpreter, include, version, prefix)
    return BuildPython(
        python=str(prefix / "bin" / "python3"),
        readable=(str(prefix), *(path for path in interpreter.files if path != interpreter.executable)),
        headers=(prefix / "headers-version").read_text(),
    )


def provided(interpreter: Interpreter, headers: Headers, home: Path) -> bool:
    """Whether ``provide`` has nothing left to do."""
    return headers.own or _prefix(interpreter, headers, home).is_dir()


def _prefix(interpreter: Interpreter, headers: Headers, home: Path) -> Path:
    binary = hashlib.sha256(Path(interpreter.executable).read_bytes()).hexdigest()
    key = hashlib.sha256(f"{_LAYOUT} {binary} {headers.version}".encode()).hexdigest()[:16]
    return home / f"{interpreter.abi}-{key}"


def _dispatches(pyconfig: Path) -> bool:
    """Debian's pyconfig.h includes the one of the architecture from /usr/include, where zig does not look."""
    return b"/pyconfig.h>" in pyconfig.read_bytes()


def _is_debian(interpreter: Interpreter, system: Path, short: str) -> bool:
    listing = system / f"var/lib/dpkg/info/python{short}-minimal.list"
    return listing.is_file() and interpreter.executable in listing.read_text().splitlines()


def _debian_packages(system: Path, short: str) -> dict[str, str]:
    """Versions of the installed packages of that Python; read, for dpkg-query takes 20 ms to answer."""
    found: dict[str, str] = {}
    status = (system / "var/lib/dpkg/status").read_text(encoding="utf-8")
    for package in (f"libpython{short}-dev", f"libpython{short}-stdlib"):
        _, _, after = status.partition(f"Package: {package}\n")
        stanza = after.partition("\n\n")[0].splitlines()
        if "Status: install ok installed" in stanza or "Status: hold ok installed" in stanza:
            found[package] = next(line for line in stanza if line.startswith("Version: ")).removeprefix("Version: ")
    return found


def _missing(interpreter: Interpreter, package: str) -> Reason:
    advice = (
        f"apt install {package}"
        if package
        else "install its headers (Python.h): its -dev or -devel package, or another interpreter: uv python install"
    )
    message = f"{interpreter.executable} has no Python.h, and it cannot be fetched"
    return Reason(code="headers", message=message, advice=advice)


@contextmanager
def _include(
    interpreter: Interpreter, headers: Headers, home: Path, environ: Mapping[str, str], report: Report
) -> Iterator[tuple[Path, str]]:
    """A folder that holds ``pythonX.Y`` and ``MULTIARCH/pythonX.Y``, and the version of what it really holds."""
    if headers.multiarch:
        yield Path(headers.multiarch).parent, headers.version
        return
    message = f"fetching the headers of {interpreter.executable} ({headers.package}) …"
    report(Progress(job="", step="tool-chain", message=message))
    with tempfile.TemporaryDirectory(prefix="headers.", dir=home) as scratch:
        archive = _download(headers, Path(scratch), environ)
        subprocess.run(["dpkg", "-x", archive.name, "x"], cwd=scratch, check=True, capture_output=True)
        version = subprocess.run(
            ["dpkg-deb", "-f", archive.name, "Version"], cwd=scratch, check=True, capture_output=True, text=True
        ).stdout.strip()
        yield Path(scratch, "x", "usr", "include"), version


def _download(headers: Headers, scratch: Path, environ: Mapping[str, str]) -> Path:
    """The package's file: of the installed version by the lists that are here, else by new ones of our own.

    An ordinary user cannot renew the system's lists, and an archive forgets old versions: then its newest will do,
    for headers must match in minor version only.
    """
    exact = f"{headers.package}={headers.version}"
    lists, cache = scratch / "lists", scratch / "cache"
    for folder in (lists / "partial", cache / "archives" / "partial"):
        folder.mkdir(parents=True)
    quiet = ("-qq", "-o", "APT::Sandbox::User=root", "-o", f"Dir::Cache={cache}")
    ours = (*quiet, "-o", f"Dir::State::Lists={lists}", "-o", "Acquire::Languages=none")
    said = ""
    for options in (
        (*quiet, "download", exact),
        (*ours, "update"),
        (*ours, "download", exact),
        (*ours, "download", headers.package),
    ):
        argv = ["apt-get", *options]
        try:
            done = subprocess.run(
                argv, cwd=scratch, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
            )
        except subprocess.TimeoutExpired:
            said = f"it did not end in {PATIENCE:.0f} s"
            break
        said = done.stderr.strip() or said
        if archive := next(scratch.glob(f"{headers.package}_*.deb"), None):
            return archive
    raise FarmError(f"cannot fetch {headers.package} with apt-get: {said}\nhelp: apt install {headers.package}")


def _make_prefix(interpreter: Interpreter, include: Path, version: str, prefix: Path) -> None:
    """Made aside, tried, and renamed: a prefix that is there is whole."""
    aside = Path(tempfile.mkdtemp(prefix=f"{prefix.name}.", dir=prefix.parent))
    try:
        aside.chmod(0o755)
        (aside / "bin").mkdir()
        binary = Path(interpreter.executable)
        shutil.copy2(binary, aside / "bin" / binary.name)  # a link would be resolved back to the system's prefix
        (aside / "bin" / "python3").symlink_to(binary.name)
        name = Path(interpreter.include).name
        shutil.copytree(include / name, aside / "include" / name)
        multiarch = interpreter.soabi.split("-", 2)[2]
        shutil.copyfile(include / multiarch / name / "pyconfig.h", aside / "include" / name / "pyconfig.h")
        _link_library(Path(interpreter.stdlib), aside / "lib" / Path(interpreter.stdlib).name, prefix)
        (aside / "headers-version").write_text(version)
        _try(aside, prefix / "include" / name)
        aside.rename(prefix)
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _link_library(stdlib: Path, ours: Path, prefix: Path) -> None:
    """The standard library, link by link, with sysconfig data that say where our headers are."""
    (ours / "__pycache__").mkdir(parents=True)
    for entry in [*stdlib.iterdir(), *(stdlib / "__pycache__").glob("*")]:
        there = ours / entry.relative_to(stdlib)
        if entry.name == "__pycache__":
            continue  # of our own, so that no compiled file of ours is ever written into the system's
        if not entry.name.startswith("_sysconfigdata_"):
            there.symlink_to(entry)
        elif entry.suffix == ".py":
            said = entry.read_text().replace("/usr/include", str(prefix / "include"))
            # The folder of python.pc, which would lead meson to the system's headers, is one that does not exist.
            there.write_text(said.replace("'LIBPC': '", f"'LIBPC': '{prefix}"))


def _try(aside: Path, include: Path) -> None:
    script = "import sysconfig; print(sysconfig.get_config_var('INCLUDEPY'))"
    done = subprocess.run(
        [str(aside / "bin" / "python3"), "-IS", "-c", script], capture_output=True, text=True, check=False, env={}
    )
    if done.stdout.strip() != str(include):
        raise FarmError(f"a prefix with headers, {aside}, does not work: {done.stdout}{done.stderr}")
