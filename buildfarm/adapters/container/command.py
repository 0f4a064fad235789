"""One command in a session's container, to its end: what is heard of it, when it must end, and how it ended."""

from __future__ import annotations

import contextlib
import queue
import time
from collections.abc import Mapping
from typing import Any

from docker.errors import NotFound

from buildfarm.adapters.container.engine import told
from buildfarm.adapters.container.faults import FAULTS, explained
from buildfarm.adapters.container.inside import warden
from buildfarm.adapters.container.order import KILLED, Bounds, Ending, Order
from buildfarm.adapters.container.report import Count, Report
from buildfarm.adapters.container.running import Inside
from buildfarm.adapters.container.stream import ERR, Stream
from buildfarm.adapters.host.process import Output
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Ended, Excess, Sink, Stop
from buildfarm.model.size import size

_ASK_EVERY = 0.1  # seconds between two looks at stop() and the limits
_GRACE = 10.0  # seconds to obey an order to end
_REPORT = 65536  # bytes of a report that are believed
_RETURN = 60.0  # seconds for which an engine may be away
_LOOK_EVERY = 0.5  # seconds between two looks for the result of a command whose stream is lost
_SIGNAL = 128  # added to the number of a signal in an exit code
_PULSE = 12.0  # seconds without a sign of life, after which the engine is asked whether it still hears
_LATE = 3.0  # seconds for what it has not yet told
_CUT = 126  # what an engine tells of a program to which the connection was lost, as of one that it cannot start
_BROKEN = {"memory": Ended.MEMORY, "pids": Ended.PIDS, "cpu": Ended.CPU, "disk": Ended.DISK}


def run(inside: Inside, order: Order, bounds: Bounds, sink: Sink, stop: Stop) -> Ending:
    """Run to the end within the bounds, output live to ``sink``; nothing that it started outlives the call.

    Raises ``FarmError`` when nobody can say how it ended, or when a process of it could not be ended.
    """
    call = _Call(inside, order, bounds, Output(sink, bounds.log), stop)
    with told("run a command"):
        call.stream = inside.ask(call.plain())
    try:
        return call.follow()
    except BaseException:
        with contextlib.suppress(*FAULTS, FarmError):
            call.end()
        raise
    finally:
        call.stream.close()


class _Call:
    """One call of ``run``."""

    stream: Stream

    def __init__(self, inside: Inside, order: Order, bounds: Bounds, output: Output, stop: Stop) -> None:
        self._inside, self._order, self._bounds, self._output, self._stop = inside, order, bounds, output, stop
        self._begun = self._asked = self._halted = False
        self._alive = 0.0

    def plain(self) -> dict[str, object]:
        """The order, for the shim."""
        order, bounds = self._order, self._bounds
        return {
            "do": "run",
            "argv": order.argv,
            "env": dict(order.env),
            "cwd": order.cwd,
            "volume": order.volume,
            "result": order.result,
            "log": order.log,
            "room": bounds.log,
            "caches": [[source, target] for source, target in order.caches.items()],
            "processors": order.processors,
            "disk": bounds.limits.disk,
            "cpu": bounds.cpu,
            "logged": bounds.limits.log - bounds.log,
        }

    def follow(self) -> Ending:
        """Hear it to its end."""
        ended, said = self._hear()
        report = Report.read(said)
        try:
            code = self._code()
        except FAULTS:
            return self._recover(ended)
        if report and code == _as_a_shell(report.code):
            if report.kept > self._output.written and ended is Ended.EXITED:
                self._catch_up()
            return self._ending(ended, report)
        if self._halted:
            return self._bereft(ended)
        if code is None and ended is not Ended.EXITED:
            return self._forced(ended)
        if code is None or (code == _CUT and self._began()):
            return self._recover(ended)
        if not self._begun and code < _SIGNAL:
            raise FarmError(f"how the command ended is not known (exit code {code}): {said.decode(errors='replace')}")
        return self._bereft(ended)

    def end(self) -> Count:
        """End every process of the container but its first one; what it has used."""
        with contextlib.closing(self._inside.ask({"do": "end"})) as stream:
            said = b""
            with contextlib.suppress(queue.Empty):
                while (piece := stream.hear(_GRACE)) and len(said) < _REPORT:
                    said += piece[1]
        found = Count.read(said)
        if not found or found.left:
            raise FarmError("what it started cannot be ended; remove the container by hand")
        return found

    def _hear(self) -> tuple[Ended, bytes]:
        """Until its output ends, or it does not obey the order to end: why it had to, and its report."""
        ended, until, said = Ended.EXITED, float("inf"), b""
        while (now := time.monotonic()) < until:
            if ended is Ended.EXITED and (ended := self._due(now)) is not Ended.EXITED:
                self.stream.send(b"end\n")
                until = now + _GRACE
            try:
                piece = self.stream.hear(_ASK_EVERY)
            except queue.Empty:
                if self._stands_still():
                    break
                continue
            if piece is None:
                break
            if piece[0] == ERR:
                said = self._told(said + piece[1])
            elif ended is Ended.EXITED and not self._output.take(piece[1]):
                ended, until = Ended.LOG, time.monotonic() + _GRACE
                self.stream.send(b"end\n")
        return ended, said

    def _told(self, said: bytes) -> bytes:
        """The shim gives a sign of life, which is none of the command: what is kept of all that it said."""
        self._alive, self._asked = time.monotonic(), False
        if not self._begun and said.startswith(b"begun\n"):
            self._output.heard, self._begun = self._alive, True
        return said[-_REPORT:]

    def _stands_still(self) -> bool:
        """Whether the shim gives no sign of life, although the engine answers."""
        if not self._begun or time.monotonic() < self._alive + _PULSE:
            return False
        if self._asked:
            self._halted = True
        else:
            with contextlib.suppress(*FAULTS):
                self.stream.exit_code()  # when the engine was away, all that it has not told comes now
            self._asked, self._alive = True, time.monotonic() + _LATE - _PULSE
        return self._halted

    def _due(self, now: float) -> Ended:
        if self._stop():
            return Ended.STOPPED
        if now >= self._bounds.deadline:
            return Ended.WALL
        silent = self._begun and now >= self._output.heard + self._bounds.limits.silence
        return Ended.SILENCE if silent else Ended.EXITED

    def _began(self) -> bool:
        """Whether the shim was started: then its log is there."""
        with told("tell whether a command was started"):
            return self._inside.read(self._order.log, self._bounds.limits.log) is not None

    def _code(self) -> int | None:
        """The exit code of the shim as the engine tells it, who is sometimes late; None while it runs."""
        for _ in range(20):
            if (code := self.stream.exit_code()) is not None:
                return code
            time.sleep(0.02)
        return None

    def _recover(self, ended: Ended) -> Ending:
        """The stream is lost: wait for the engine to come back, and for the result on the volume. ``ended`` is why the
        command was to end, if it was.
        """
        until = time.monotonic() + _RETURN
        while True:
            due = self._due(0.0) if time.monotonic() < self._bounds.deadline else Ended.WALL
            if due is not Ended.EXITED:
                return self._forced(due if ended is Ended.EXITED else ended)
            try:
                if ending := self._found(ended):
                    return ending
                until = time.monotonic() + _RETURN
            except FAULTS as error:
                if time.monotonic() > until:
                    raise FarmError(
                        f"the container engine is gone, and how the command ended is not known: {explained(error)}"
                    ) from error
            time.sleep(_LOOK_EVERY)

    def _found(self, ended: Ended) -> Ending | None:
        """How it ended, as the container tells; None while it runs. Raises what the client raises."""
        runs = self._state()["Running"]
        if report := Report.read(self._inside.read(self._order.result, _REPORT) or b""):
            if ended is Ended.EXITED:
                self._catch_up()
            return self._ending(ended, report)
        if not runs:
            return self._dead(ended)
        return None if ended is Ended.EXITED else self._forced(ended)

    def _catch_up(self) -> None:
        """Read from the file what the stream did not bring."""
        content = self._inside.read(self._order.log, self._bounds.limits.log) or b""
        self._output.take(content[self._output.written :])

    def _forced(self, ended: Ended) -> Ending:
        """It does not obey: end all that runs, or the whole container where that cannot be done."""
        try:
            return self._without(ended, self.end().ooms)
        except (*FAULTS, FarmError):
            self._kill()
            return self._without(ended, 0)

    def _kill(self) -> None:
        with told("end a container"):
            self._inside.engine.client.api.kill(self._inside.container)

    def _bereft(self, ended: Ended) -> Ending:
        """The shim was killed, halted or broken: by the kernel, when memory was out, or by the command."""
        ooms = 0
        try:
            ooms = self.end().ooms
        except (*FAULTS, FarmError) as error:
            if self._is_over():
                return self._dead(ended)
            if not isinstance(error, FarmError):
                raise
            self._kill()  # it hinders whoever would end it
        if ended is Ended.EXITED and ooms > self._bounds.ooms:
            ended = Ended.MEMORY
        how = "halted" if self._halted else "killed"
        return self._without(ended, ooms, f"it {how} the process that watched over it, and was ended")

    def _is_over(self) -> bool:
        """Whether the container runs no more; the engine tells it a moment after its processes have ended."""
        with told("tell how a command ended"):
            for _ in range(20):
                if not self._state()["Running"]:
                    return True
                time.sleep(0.1)
            return False

    def _state(self) -> Mapping[str, Any]:
        try:
            return self._inside.state()
        except NotFound:
            raise FarmError("the engine has lost the container, and how the command ended is not known") from None

    def _dead(self, ended: Ended) -> Ending:
        """The container runs no more."""
        with told("tell how a command ended"):
            state = self._state()
        told_of_it = state.get("OOMKilled") and not self._bounds.ooms  # for it is told of all time since it began
        if ended is Ended.EXITED and told_of_it:
            ended = Ended.MEMORY
        elif ended is Ended.EXITED and state["ExitCode"] == warden.DEADLINE:
            ended = Ended.WALL
        if ended is Ended.EXITED:
            raise FarmError(
                f"its container was ended from outside (exit code {state['ExitCode']}), "
                "and how the command ended is not known"
            )
        return self._without(ended, 0)

    def _without(self, ended: Ended, ooms: int, words: str = "") -> Ending:
        """An ending of which there is no report."""
        tail = self._output.tail()
        limit = self._bounds.limits.memory
        return Ending(
            ended=ended,
            exit_code=-KILLED,
            written=self._output.written,
            tail=(*tail, words) if ended is Ended.EXITED else tail,
            ooms=ooms,
            excess=Excess(used=limit, limit=limit, measured="by cgroup") if ended is Ended.MEMORY else None,
        )

    def _ending(self, ended: Ended, report: Report) -> Ending:
        if report.left:
            raise FarmError(f"{report.left} processes of it cannot be ended; look for ones that wait for a device")
        if ended is Ended.EXITED and report.broken == "full":
            raise FarmError(f"the disk of the container engine is full: {size(report.free)} are left; make room")
        if ended is Ended.EXITED and report.broken:
            ended = _BROKEN[report.broken]
        return Ending(
            ended=ended,
            exit_code=report.code,
            written=self._output.written,
            tail=self._output.tail(),
            ooms=report.ooms,
            memory=report.memory,
            cpu=report.cpu,
            excess=self._excess(ended, report),
        )

    def _excess(self, ended: Ended, report: Report) -> Excess | None:
        limits = self._bounds.limits
        match ended:
            case Ended.MEMORY:
                return Excess(used=max(report.peak, report.memory), limit=limits.memory, measured="by cgroup")
            case Ended.PIDS:
                return Excess(used=limits.pids, limit=limits.pids, measured="by cgroup")
            case Ended.CPU:
                return Excess(used=report.cpu, limit=self._bounds.cpu, measured="by cgroup")
            case Ended.DISK:
                return Excess(used=report.used, limit=limits.disk, measured="weighed by du")
            case _:
                return None


def _as_a_shell(code: int) -> int:
    return _SIGNAL - code if code < 0 else code
