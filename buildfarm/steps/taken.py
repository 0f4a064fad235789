"""What of the files that a session leaves cannot be taken."""

from __future__ import annotations

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.session import Purpose
from buildfarm.model.size import size


def unnameable(purpose: Purpose, name: bytes) -> StepFailed:
    """A file whose name is not UTF-8: no wheel is called so, and no record can hold it."""
    message = f"a file that it left has a name that is not UTF-8: {ascii(name)[2:-1]}"
    if purpose is Purpose.BUILD:
        return StepFailed(Step.BUILD, Reason(code="not-one-wheel", message=message))
    return StepFailed(Step.TEST, Reason(code="no-answer", message=message))


def too_much(purpose: Purpose, pattern: str, found: int, most: int) -> StepFailed:
    """Files of ``found`` bytes, in a session that may have ``most`` on the disk: a file can be larger than what it has
    there.
    """
    message = f"{pattern} is {size(found)}, more than the session may have on the disk: {size(most)}"
    return StepFailed(Step.BUILD if purpose is Purpose.BUILD else Step.TEST, Reason(code="disk", message=message))
