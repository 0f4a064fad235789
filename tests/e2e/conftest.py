"""The real command line on this machine, with a home of the tests and an environment of their own."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from tests.e2e.serving import served  # noqa: F401 - a fixture for all of them

if TYPE_CHECKING:
    from buildfarm.adapters.container.engine import Engine

PROJECTS = Path(__file__).parent / "projects"
HERE = f"cp{sys.version_info.major}{sys.version_info.minor}"
"""The ABI of the Python that runs the tests; most of them build for it alone."""

LONG_AGO = 1_700_000_000

# Where packages come from and how to get there is the machine's; all else is the tests'.
_PASSED = re.compile(
    r"HOME|XDG_.*|PIP_.*|UV_(CACHE_DIR|INDEX.*|DEFAULT_INDEX)|SSL_CERT_.*|REQUESTS_CA_BUNDLE|.*_proxy|.*_PROXY|DOCKER_.*"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """A call of the command line that has ended."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> dict[str, Any]:
        """The one document on stdout."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def job(self, name: str, kind: str = "build") -> dict[str, Any]:
        """The only job of that kind and project."""
        (found,) = (each for each in self.json["jobs"] if (each["name"], each["kind"]) == (name, kind))
        return dict(found)


class Farm:
    """A home, and the command line that works on it; on this machine itself, unless ``engine`` says auto."""

    def __init__(self, home: Path, folder: Path, engine: str = "none") -> None:
        self.home = home
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        base = Path(getattr(sys, "_base_executable", sys.executable)).resolve().parent
        passed = {name: value for name, value in os.environ.items() if _PASSED.fullmatch(name)}
        self.environ = {
            **passed,
            "PATH": f"{base}:{os.environ['PATH']}",
            "LANG": "C.UTF-8",
            "BUILDFARM_HOME": str(home),
            "BUILDFARM_ENGINE": engine,
        }

    def start(self, *words: object, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
        """Start the command line in the folder of the tests."""
        return subprocess.Popen(
            [sys.executable, "-m", "buildfarm", *map(str, words)],
            cwd=self.folder,
            env={**self.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: object, env: Mapping[str, str] | None = None, timeout: float = 600) -> Done:
        """Run the command line to its end, within so many seconds."""
        process = self.start(*words, env=env)
        out, err = process.communicate(timeout=timeout)
        return Done(code=process.returncode, out=out, err=err)

    def build(self, *words: object, targets: str = f"{HERE}-*", env: Mapping[str, str] | None = None) -> Done:
        """Build for the Python that runs the tests, and answer in JSON."""
        return self.run("build", *words, "--targets", targets, "--json", env=env)

    def page(self, project: str, index: str = "main") -> str:
        """The project's page on the index; empty where there is none."""
        page = self.home / "index" / index / "simple" / project / "index.html"
        return page.read_text() if page.exists() else ""

    def project(
        self, base: str, name: str, edits: Mapping[str, tuple[str, str]] | None = None, recipe: Iterable[str] = ()
    ) -> Path:
        """A recipe for a copy of ``projects/<base>`` under another name.

        ``edits`` replace one text of a file by another; ``recipe`` are its lines beyond name and source. The word
        ``base`` is the name everywhere.
        """
        copy = self.folder / name
        shutil.rmtree(copy, ignore_errors=True)
        shutil.copytree(PROJECTS / base, copy, ignore=shutil.ignore_patterns("__pycache__"))
        for path, (old, new) in (edits or {}).items():
            text = (copy / path).read_text()
            assert text.count(old) == 1, f"{base}/{path} has not exactly one {old!r}"
            (copy / path).write_text(text.replace(old, new))
        for each in sorted(copy.rglob("*"), reverse=True):
            if each.is_file():
                each.write_text(each.read_text().replace(base, name))
                os.utime(each, (LONG_AGO, LONG_AGO))  # times are part of a source
            each.rename(each.with_name(each.name.replace(base, name)))
        written = self.folder / f"{name}.yaml"
        lines = [f"name: {name}", f"source: {{path: {name}}}", *recipe]
        written.write_text("".join(f"{line}\n" for line in lines).replace(base, name))
        return written


@pytest.fixture(scope="session")
def equipped(tmp_path_factory: pytest.TempPathFactory) -> Callable[[Path], Path]:
    """Gives a home the tool-chain and zig's cache of all others, in every process of this run: they are made once."""
    base = tmp_path_factory.getbasetemp()
    everybodys = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def equip(home: Path) -> Path:
        for name in ("tools", "cache/zig"):
            (everybodys / name).mkdir(parents=True, exist_ok=True)
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).symlink_to(everybodys / name, target_is_directory=True)
        return home

    return equip


@pytest.fixture(scope="session")
def home(equipped: Callable[[Path], Path], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One home for all tests that can share it."""
    return equipped(tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def farm(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """The shared home, and a folder for the projects of one module."""
    return Farm(home, tmp_path_factory.mktemp("projects"))


@pytest.fixture(scope="module")
def container_farm(engine: Engine, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Farm:
    """The same home, where builds run in containers of this machine's engine."""
    return Farm(home, tmp_path_factory.mktemp("projects"), engine="auto")
