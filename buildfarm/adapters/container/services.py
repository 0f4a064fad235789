"""Servers beside a session: each in a container of its own, in the session's network, which is a loopback alone."""

from __future__ import annotations

import contextlib
import math
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from queue import Empty
from typing import Any

from docker.errors import APIError, NotFound
from docker.models.containers import Container

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.hardening import GRACE, hardened
from buildfarm.adapters.container.images import Images
from buildfarm.adapters.container.labels import Labels
from buildfarm.adapters.container.stream import Stream
from buildfarm.model.errors import StepFailed, Stopped
from buildfarm.model.outcome import Step
from buildfarm.model.recipe import Limits, Service
from buildfarm.model.services import refusals, variables
from buildfarm.model.session import Endpoint, Fallen, Sink, Stop
from buildfarm.steps.services import ASK, Serving, ended, named, said, servings, too_late, unready

_LOOK_EVERY = 0.05  # seconds between two looks at whether a server is ready
_MOMENT = 0.3  # seconds: whoever lost a connection may hear of it before the engine knows that the server ended
_ANSWER_SECONDS = 10
_TAIL_LINES = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class Beside:
    """The session that servers are for: the id of its container, whose network they join, and its labels; its limits,
    which each server has for itself; where what they say goes if they fail, and what asks whether all is to end.
    """

    container: str
    labels: Labels
    limits: Limits
    sink: Sink
    stop: Stop


class Services:
    """Starts servers of the images on one engine."""

    def __init__(self, engine: Engine, images: Images) -> None:
        self._engine = engine
        self._images = images

    def start(self, wanted: Mapping[str, Service], beside: Beside) -> Running:
        """Start them all, beside a container that runs, and wait until their users can log in.

        Whatever it raises, it leaves none: ``StepFailed`` (code ``service``, at test) when one ends, is not ready in
        its time, or is declared wrongly; ``Stopped`` when told to; ``FarmError`` when the engine fails or lacks an
        image.
        """
        for reason in refusals(wanted, variables(self._images.images)):
            raise StepFailed(Step.TEST, reason)
        running = Running()
        try:
            with told("start a service"):
                for serving in servings(wanted, self._images.images):
                    container = self._created(serving, beside)
                    running.add(Contained(engine=self._engine, serving=serving, container=container))
                running.wait(beside)
        except BaseException:
            running.stop()
            raise
        return running

    def _created(self, serving: Serving, beside: Beside) -> Container:
        server, limits = serving.server, beside.limits
        arguments: dict[str, Any] = hardened(
            self._engine, limits, user=server.user, scratch=server.scratch, network=f"container:{beside.container}"
        )
        in_memory = f"rw,exec,nosuid,nodev,mode=1777,size={limits.memory}"  # a database is larger than /tmp
        arguments["tmpfs"] |= dict.fromkeys(server.scratch, in_memory)
        own_end = ("timeout", "-s", "KILL", str(math.ceil(limits.wall) + GRACE))  # whoever would end it may be dead
        return self._engine.client.containers.create(
            self._images.obtain(serving.image),
            entrypoint=[*own_end, "/bin/sh", "-e", "-c", server.start],
            environment=serving.variables(server.scratch[0]),
            labels=replace(beside.labels, kind="service").written,
            init=True,
            **arguments,
        )


class Running:
    """Servers that were started together."""

    def __init__(self) -> None:
        self._all: list[Contained] = []

    @property
    def endpoints(self) -> Mapping[str, Endpoint]:
        """Where each answers, by the service's name."""
        return {each.serving.name: each.serving.endpoint for each in self._all}

    def fallen(self) -> tuple[Fallen, ...]:
        """Those that run no more, with the ends of their logs; raises ``FarmError`` when the engine cannot be asked."""
        deadline = time.monotonic() + _MOMENT
        with told("say whether a service still runs"):
            while True:
                found = tuple(fallen for each in self._all if (fallen := each.fallen()))
                if found or not self._all or time.monotonic() > deadline:
                    return found
                time.sleep(_LOOK_EVERY)

    def logs(self) -> Mapping[str, tuple[str, ...]]:
        """What each said last, by the service's name; raises ``FarmError`` when the engine cannot be asked."""
        with told("read the log of a service"):
            return {each.serving.name: each.tail() for each in self._all}

    def stop(self) -> None:
        """End and remove them at once; again does nothing. Raises ``FarmError`` when the engine does not do so."""
        with told("remove a service"):
            while self._all:
                with contextlib.suppress(NotFound):
                    self._all[-1].container.remove(force=True, v=True)
                self._all.pop()

    def add(self, contained: Contained) -> None:
        """Start one."""
        self._all.append(contained)
        contained.container.start()

    def wait(self, beside: Beside) -> None:
        """Until all of them are ready; raises as ``Services.start`` does."""
        began = time.monotonic()
        for each in self._all:
            question = each.ask()
            while not each.answered(question):
                if beside.stop():
                    raise Stopped(f"start {named(each.serving)}")
                late = time.monotonic() - began > each.serving.server.seconds
                if failed := each.fallen() or (each.late() if late else None):
                    beside.sink(said((failed,)))
                    raise StepFailed(Step.TEST, unready(failed))
                time.sleep(_LOOK_EVERY)


@dataclass(frozen=True, slots=True, kw_only=True)
class Contained:
    """One server in its container."""

    engine: Engine
    serving: Serving
    container: Container

    def ask(self) -> str:
        """Begin to ask whether it is ready: the id of the question, which ends when it is; empty if it fell before."""
        argv = ["/bin/sh", "-c", ASK, self.serving.server.ready, self._said_last]
        try:
            question = str(self._api.exec_create(self.container.id, argv, user=self.serving.server.user)["Id"])
            self._api.exec_start(question, detach=True)
        except APIError:
            if self.fallen():
                return ""
            raise
        return question

    def answered(self, question: str) -> bool:
        """Whether it is ready."""
        return bool(question) and self._api.exec_inspect(question)["ExitCode"] == 0

    def fallen(self) -> Fallen | None:
        """How it ended; None while it runs."""
        try:
            state = self._api.inspect_container(self.container.id)["State"]
        except NotFound:
            return Fallen(service=self.serving.name, message=f"{named(self.serving)} was removed by somebody")
        if state["Running"]:
            return None
        code = int(state["ExitCode"])
        exit_code = 128 - code if code > 128 else code  # a signal, as the init of the container says it
        return self._told(ended(self.serving, exit_code, out_of_memory=bool(state.get("OOMKilled"))))

    def late(self) -> Fallen:
        """That it runs and lets nobody in, with what its script ``ready`` said last."""
        argv = ("/bin/sh", "-c", 'cat "$0" 2>/dev/null', self._said_last)
        answer = b""
        with contextlib.closing(Stream(self.engine, str(self.container.id), argv)) as asked, contextlib.suppress(Empty):
            while piece := asked.hear(_ANSWER_SECONDS):
                answer += piece[1]
        return self._told(too_late(self.serving, answer.decode(errors="replace")))

    def tail(self) -> tuple[str, ...]:
        """The last lines that it said; none when it was removed."""
        try:
            return tuple(self.container.logs(tail=_TAIL_LINES).decode(errors="replace").splitlines())
        except NotFound:
            return ()

    @property
    def _said_last(self) -> str:
        return f"{self.serving.server.scratch[0]}/.ready"

    @property
    def _api(self) -> Any:
        return self.engine.client.api

    def _told(self, message: str) -> Fallen:
        return Fallen(service=self.serving.name, message=message, tail=self.tail())
