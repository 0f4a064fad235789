"""Requirements locked by uv: exact wheels, and never a line of a stranger's code."""

from __future__ import annotations

import json
import re
import shlex
import subprocess
import tempfile
import tomllib
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import url2pathname

from packaging.pylock import Package, PackageWheel, Pylock
from packaging.requirements import InvalidRequirement, Requirement
from packaging.tags import Tag, compatible_tags, cpython_tags, platform_tags
from packaging.utils import parse_wheel_filename

from buildfarm.adapters.pip_config import PipConfig, bare
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.index import awaited
from buildfarm.model.job import Environment, Lock, LockedWheel
from buildfarm.model.origin import local_path
from buildfarm.model.outcome import Reason
from buildfarm.model.target import Target, platforms_at
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Sources

_ARGUMENTS = (
    *("pip", "compile", "--format", "pylock.toml", "--only-binary", ":all:"),
    *("--no-python-downloads", "--no-header", "--no-annotate", "--no-progress", "--color", "never", "--quiet", "-"),
)
_UV_FLOORS = ((2, 17), (2, 28), *((2, minor) for minor in range(31, 41)))  # that --python-platform has names for
_SECONDS = 600.0  # for one resolution: a large one with a cold cache takes a minute
_FREE_THREADED = """#!/bin/sh
exec {python} -I -c 'import sys, sysconfig
sysconfig.get_config_vars()["Py_GIL_DISABLED"] = 1
at = sys.argv.index("-c", 1)
code = sys.argv[at + 1]
del sys.argv[1 : at + 2]
exec(code)' "$@"
"""
_CAUSE = re.compile(r"cause: (?:Because )?(.*?)(?:\n\n|\n *cause:|\Z)", re.DOTALL)
_CONCLUSION = ", we can conclude that your requirements are unsatisfiable."


class UvResolver:
    """``ports.Resolver`` by the program ``uv``.

    ``indexes`` is the folder whose ``<index>/simple`` are our own. ``interpreter`` gives the path of an environment's
    Python on this machine; of an image's interpreter uv is told what it is, and asks another. ``platforms`` gives the
    platform tags that a host accepts, best first. ``environ`` is for uv, which is told the rest by a file: its own
    variables are left out.
    """

    def __init__(
        self,
        uv: str,
        *,
        config: PipConfig,
        indexes: Path,
        sources: Sources,
        interpreter: Callable[[Environment], str],
        environ: Mapping[str, str],
        platforms: Callable[[], Iterable[str]] = platform_tags,
    ) -> None:
        self._uv = uv
        self._config = config
        self._indexes = indexes
        self._sources = sources
        self._interpreter = interpreter
        self._environ = {
            name: value
            for name, value in environ.items()
            if not name.startswith("UV_") or name.startswith(("UV_CACHE_DIR", "UV_HTTP_"))
        }
        if config.cert:
            self._environ["SSL_CERT_FILE"] = config.cert
        self._platforms = platforms

    def lock(self, requirements: Iterable[str], environment: Environment, index: str) -> Lock:
        """Exact wheels for the requirements and all they require, in that environment.

        Each name comes from the first place that knows it, and from no other: our own index, then the links and
        indexes of pip's configuration. Raises ``Unavailable`` (code ``requirements``; ``upstream`` when a place did not
        answer), and ``FarmError`` when there is no uv.
        """
        wanted = sorted({str(plain_requirement(requirement)) for requirement in requirements})
        if not wanted:
            return Lock()
        text = self._compile(wanted, environment, index)
        platforms = platforms_at(environment.native) if environment.native else self._platforms()
        accepted = accepted_tags(environment.target, platforms)
        packages = Pylock.from_dict(tomllib.loads(text)).packages
        return Lock(wheels=tuple(_locked(package, accepted) for package in sorted(packages, key=lambda it: it.name)))

    def fetch(self, wheel: LockedWheel) -> Artifact:
        """Bring a locked wheel into the store, checked against its hash."""
        return self._sources.fetch(wheel.origin, wheel.artifact.name, wheel.artifact.sha256)

    def _compile(self, wanted: list[str], environment: Environment, index: str) -> str:
        # A file instead of arguments: it may hold credentials, and only there links can rank below our own index.
        with tempfile.TemporaryDirectory(prefix="uv-") as folder:
            file = Path(folder) / "uv.toml"
            own = [self._indexes / each / "simple" for each in (index, awaited(index)) if each]
            file.write_text(uv_configuration(self._config, *own), encoding="utf-8")
            python = self._interpreter(environment)
            if environment.native and environment.target.abi.endswith("t"):
                python = _free_threaded(python, Path(folder) / "python")
            argv = (self._uv, "--config-file", str(file), *_ARGUMENTS, "--python", python, *in_image(environment))
            try:
                done = subprocess.run(
                    argv,
                    input="\n".join(wanted),
                    env=self._environ,
                    cwd=folder,
                    capture_output=True,
                    encoding="utf-8",
                    errors="replace",
                    timeout=_SECONDS,
                    check=False,
                )
            except OSError as error:
                raise FarmError(f"could not run {self._uv}: {error.strerror}; install uv beside buildfarm") from error
            except subprocess.TimeoutExpired:
                raise _unlocked("upstream", wanted, f"uv did not finish in {_SECONDS:.0f} s", ()) from None
        if done.returncode:
            raise _explained(wanted, environment, done.stderr)
        return done.stdout


def plain_requirement(text: str) -> Requirement:
    """A PEP 508 requirement by name; raises ``Unavailable`` (code ``requirements``) for one by URL, or nonsense."""
    try:
        requirement = Requirement(text)
    except InvalidRequirement as error:
        raise _unlocked("requirements", [text], f"this is no requirement: {str(error).splitlines()[0]}", ()) from error
    if requirement.url:
        raise _unlocked("requirements", [text], "direct references are not followed: name a version on an index", ())
    return requirement


def accepted_tags(target: Target, platforms: Iterable[str]) -> tuple[Tag, ...]:
    """Every tag that the target's interpreter accepts on a machine with these platform tags, best first (PEP 425)."""
    known = list(platforms)
    return (
        *cpython_tags(target.python, [target.abi], known),
        *compatible_tags(target.python, target.interpreter, known),
    )


def in_image(environment: Environment) -> tuple[str, ...]:
    """Options that tell uv which Python and platform an image has; none on a host, where it asks the interpreter.

    Of a platform that it has no name for it is told the next older one.
    """
    if not environment.native:
        return ()
    own = Target(abi=environment.target.abi, platform=environment.native)
    if own.platform.startswith("musllinux"):
        platform = f"{own.arch}-unknown-linux-musl"
    else:
        floor = max((each for each in _UV_FLOORS if each <= (own.floor or (0, 0))), default=_UV_FLOORS[0])
        platform = "{}-manylinux_{}_{}".format(own.arch, *floor)
    return ("--python-version", "{}.{}".format(*own.python), "--python-platform", platform)


def _free_threaded(python: str, at: Path) -> str:
    """An interpreter that tells uv that it is free-threaded, which no option of uv can; what it runs is ``python``."""
    at.write_text(_FREE_THREADED.format(python=shlex.quote(python)), encoding="utf-8")
    at.chmod(0o755)
    return str(at)


def uv_configuration(config: PipConfig, *own: Path) -> str:
    """The text of a ``uv.toml`` with our own indexes (of the folders, those there are) before what pip would ask."""
    places = [{"url": each.absolute().as_uri()} for each in own if each.is_dir()]
    for link in config.find_links:
        path = local_path(link)
        if path is None or path.is_dir():
            places.append({"url": path.absolute().as_uri() if path else link, "format": "flat"})
    places += [{"url": url} for url in config.indexes]
    lines = [] if places else ["no-index = true"]
    lines.append(f"allow-insecure-host = {json.dumps(config.trusted_hosts)}")
    for place in places:
        lines += ["[[index]]", *(f"{key} = {_quoted(value)}" for key, value in place.items())]
        lines.append('cache-control = { api = "max-age=600" }')  # else a page without it may be believed for days
    if places:
        lines.append("default = true")  # the last one stands where uv's own default would
    return "\n".join(lines) + "\n"


def _quoted(value: str) -> str:
    return json.dumps(value, ensure_ascii=False)


def _locked(package: Package, accepted: tuple[Tag, ...]) -> LockedWheel:
    rank = {tag: place for place, tag in enumerate(accepted)}
    wheels = [(best, wheel) for wheel in package.wheels or () if (best := _best(wheel, rank)) is not None]
    if not wheels:
        raise _unlocked("requirements", [f"{package.name}=={package.version}"], "none of its wheels fits", ())
    wheel = min(wheels, key=lambda pair: pair[0])[1]
    return LockedWheel(
        project=package.name,
        version=str(package.version),
        artifact=Artifact(name=wheel.filename, size=wheel.size or 0, sha256=wheel.hashes.get("sha256", "")),
        origin=_origin(wheel),
    )


def _best(wheel: PackageWheel, rank: Mapping[Tag, int]) -> tuple[int, int, str] | None:
    """Sorts wheels: by the best tag, then the highest build number (PEP 427)."""
    _, _, build, tags = parse_wheel_filename(wheel.filename)
    places = [rank[tag] for tag in tags if tag in rank]
    number, suffix = build or (0, "")
    return (min(places), -number, suffix) if places else None


def _origin(wheel: PackageWheel) -> str:
    if wheel.path:
        return wheel.path
    url = wheel.url or ""
    return url2pathname(urlsplit(url).path) if url.startswith("file:") else bare(url)


def _explained(wanted: list[str], environment: Environment, stderr: str) -> Unavailable:
    lines = tuple(line.rstrip() for line in stderr.splitlines() if line.strip())
    causes = [" ".join(cause.split()).removesuffix(_CONCLUSION) for cause in _CAUSE.findall(stderr)]
    why = causes[0] if causes else (lines[0].removeprefix("error: ") if lines else "uv said nothing")
    unreachable = "Failed to fetch" in stderr or "error sending request" in stderr
    code = "upstream" if unreachable else "requirements"
    return _unlocked(code, wanted, f"in {environment.name} for {environment.target}: {why}", lines[-20:])


def _unlocked(code: str, wanted: Iterable[str], why: str, tail: tuple[str, ...]) -> Unavailable:
    return Unavailable(
        Reason(
            code=code,
            message=f"no wheels for {', '.join(wanted)}: {why}",
            advice="build what is missing first, or change the requirement; a name is asked of the first place that "
            "knows it only: our own index, then pip's find-links, then its indexes",
            tail=tail,
        )
    )
