"""Uploads that wait: tested and let through, here and now, by whoever is asked to; several at once."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial

from buildfarm.app.local import Crew, drive
from buildfarm.app.wiring import Site
from buildfarm.farm.judge import Judgement
from buildfarm.farm.tick import resume
from buildfarm.model.job import BuildRequest, Worker

_OPEN = (
    "no upload is tested on this machine itself without a sandbox: see `buildfarm doctor` for bubblewrap, or say "
    "`isolation: none`, which lets tests of uploads do all that you may do"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """An upload whose tests are over: let through to ``index``, or not, for the reason that its judgement has."""

    index: str
    judgement: Judgement


def settle_uploads(site: Site, jobs: int, quit_: threading.Event | None = None) -> tuple[Settled, ...]:
    """Tick and work, ``jobs`` workers at once, until no upload waits for a test that has not run.

    Any number of processes may do so at once. Raises ``KeyboardInterrupt`` once ``quit_`` is set: the workers have
    handed their jobs back by then, and whoever does it next goes on from there.
    """
    site = _kept_apart(site)
    quit_ = quit_ or threading.Event()
    settled: list[Settled] = []
    with site.owner() as owner:
        site.runner.sweep(site.farm.owners.live())
        resume(site.farm)
        place = replace(site.workplace, quit_=quit_.is_set)
        worker = Worker(name=owner, lanes=site.lanes, environments=site.fingerprints)
        with ThreadPoolExecutor(max_workers=jobs, thread_name_prefix="upload") as pool:
            while requests := _open(site):
                crew = Crew(place=place, worker=worker, size=max(1, jobs // len(requests)), quit_=quit_)
                for request, ticked in zip(requests, pool.map(partial(drive, site, crew), requests), strict=True):
                    settled += (Settled(index=request.index, judgement=each) for each in ticked.uploads)
    return tuple(settled)


def _kept_apart(site: Site) -> Site:
    """The site as it may run what others uploaded: who may upload is not whoever may log in here."""
    if site.safe():
        return site
    offered = tuple(each if each.image else replace(each, lacks=_OPEN) for each in site.farm.environments())
    return replace(site, farm=replace(site.farm, environments=lambda: offered))


def _open(site: Site) -> tuple[BuildRequest, ...]:
    return tuple(each for each in site.farm.requests.open_requests() if each.uploads)
