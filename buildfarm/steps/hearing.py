"""What the commands of an attempt said, by step, and how that completes the reason of a failure."""

from __future__ import annotations

from dataclasses import replace

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildPart
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.session import Ended, Sink
from buildfarm.steps.advice import advise
from buildfarm.steps.decisive import Decisive
from buildfarm.steps.snippet import SAYS_NOTHING

_FROM_THE_BUILD = frozenset({"no-binaries", "lost-extensions", "not-one-wheel"})
"""Reasons that say what is missing; why it is missing was said by a build that went on regardless."""

_OPEN_TO_ADVICE = _FROM_THE_BUILD | {"exit-code", "missing-program", "import"}
"""Reasons that do not know themselves what is to be done."""

_BROKEN_LIMITS = frozenset(ended.name.lower() for ended in Ended)
"""Whoever was ended had not failed: nothing that it said is a cause. Nor is what tests say without their server."""


class Hearing:
    """Passes output on to a sink, and remembers what is decisive in it; ``part`` is what the recipe says."""

    def __init__(self, sink: Sink, part: BuildPart = SAYS_NOTHING) -> None:
        self._sink = sink
        self._part = part
        self._said = {step: Decisive() for step in Step}
        self._now = Step.PREPARE

    def begin(self, step: Step) -> None:
        """What comes from now on belongs to that step."""
        self._now = step

    def hear(self, chunk: bytes) -> None:
        """Take output as it comes."""
        self._said[self._now].hear(chunk)
        self._sink(chunk)

    def explain(self, failed: StepFailed) -> Reason:
        """The reason of a failure, with the lines that say why, and with advice where those tell what to do."""
        reason = failed.reason
        if reason.code in _BROKEN_LIMITS or reason.code == "service":
            return reason
        lines = self._said[Step.BUILD if reason.code in _FROM_THE_BUILD else failed.step].lines()
        told = advise((reason.message, *lines), failed.step, self._part) if reason.code in _OPEN_TO_ADVICE else ()
        advice = "\n".join(each.sentence for each in told) or reason.advice
        return replace(reason, lines=lines, advice=advice, cause=told[0].cause if told else "")
