"""Commands and answers of the build step (PEP 517)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Iterable, Mapping
from importlib import resources

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildJob, Job
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.session import Command, Completed, Ended, Layout
from buildfarm.model.size import size
from buildfarm.model.wheel import Artifact

HOOK_VERSION = "1"
"""Enters the keys of build jobs: raised when ``inside/hook.py`` would make other bytes."""


def hook_script() -> bytes:
    """Source of the script that calls the hooks."""
    return (resources.files("buildfarm.steps.inside") / "hook.py").read_bytes()


def hook_request(job: BuildJob, layout: Layout, granted: Iterable[str]) -> bytes:
    """What the script is asked, as JSON."""
    request = {
        "source": layout.source,
        "dist": layout.dist,
        "backend": job.backend,
        "backend_path": job.backend_path,
        "granted": list(granted),
        "config_settings": dict(job.part.build.config_settings),
        "result": f"{layout.work}/hook.json",
    }
    return json.dumps(request).encode()


def before(job: BuildJob, layout: Layout) -> tuple[Command, ...]:
    """The recipe's own commands, run in the source before the hook."""
    filled = {"work": layout.source}
    return tuple(
        Command(
            argv=tuple(word.format_map(filled) for word in shlex.split(line)),
            cwd=layout.source,
            what="run build.before",
            env=_env(job, layout),
        )
        for line in job.part.build.before
    )


def call_hook(job: BuildJob, layout: Layout) -> Command:
    """Ask the backend for more requirements and, where it wants none, for the wheel."""
    return Command(
        argv=(layout.venv_python, f"{layout.scripts}/hook.py", f"{layout.work}/request.json"),
        cwd=layout.source,
        what="build the wheel",
        env=_env(job, layout),
    )


def _env(job: BuildJob, layout: Layout) -> Mapping[str, str]:
    return {name: value.format_map({"work": layout.source}) for name, value in job.part.build.env.items()}


def read_wants(content: bytes) -> tuple[str, ...]:
    """The requirements that the hook asks for, none where it built; raises ``StepFailed`` for what is no answer."""
    return texts(parse_answer(content, Step.BUILD).get("wants", []), Step.BUILD)


def parse_answer(content: bytes, step: Step) -> dict[str, object]:
    """The JSON object that a script of ours wrote; the package's code could write there too, so it may be anything."""
    try:
        answer = json.loads(content)
    except (ValueError, RecursionError):
        answer = None
    if not isinstance(answer, dict):
        raise _no_answer(step, "is no JSON object")
    return answer


def texts(found: object, step: Step) -> tuple[str, ...]:
    """A list of texts in an answer; raises ``StepFailed`` for anything else."""
    if not isinstance(found, list) or not all(isinstance(text, str) and _whole(text) for text in found):
        raise _no_answer(step, "has something else where a list of texts belongs")
    return tuple(found)


def _whole(text: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in text)


def _no_answer(step: Step, what: str) -> StepFailed:
    return StepFailed(
        step,
        Reason(
            code="no-answer",
            message=f"the answer of our script {what}",
            advice="the project wrote over the session's own files: look at its build script",
        ),
    )


def unanswered(name: str, completed: Completed) -> Reason:
    """Why our script, which ended well, answered nothing: ``name`` is the file that it should have written."""
    return Reason(
        code="no-answer",
        message=f"our script ended but wrote no {name}",
        advice="the project ended the interpreter or removed the session's own files: look at its build script",
        command=completed.command.argv,
        tail=completed.tail,
    )


def not_one_wheel(step: Step, found: Iterable[Artifact]) -> Reason:
    """Why there is nothing to go on with, or more than one can go on with."""
    names = ", ".join(artifact.name for artifact in found) or "none"
    return Reason(
        code="not-one-wheel",
        message=f"the {step} step must leave exactly one wheel, it left {names}",
        advice="a build backend must write the one wheel that it returns (PEP 517)",
    )


def _excess(completed: Completed) -> str:
    """How much it used, and how much it may, in words; empty where nothing more is known."""
    if completed.excess is None:
        return ""
    words = _WORDS[completed.ended]
    used, limit = (words(value) for value in (completed.excess.used, completed.excess.limit))
    return f": it used {used}, the limit is {limit} ({completed.excess.measured})"


_WORDS: Mapping[Ended, Callable[[float], str]] = {
    Ended.MEMORY: size,
    Ended.DISK: size,
    Ended.PIDS: lambda value: f"{value:.0f} processes and threads",
    Ended.CPU: lambda value: f"{value:.1f} s of processor time",
}


def spoken(job: Job, reason: Reason) -> str:
    """The command that failed, for people: the PEP 517 hook and its backend where our script called one."""
    if not isinstance(job, BuildJob) or not reason.command[1:2] or not reason.command[1].endswith("/hook.py"):
        return shlex.join(reason.command)
    asked = "get_requires_for_build_wheel"
    hook = asked if any(asked in line for line in reason.tail) else "build_wheel"
    return f"{hook} of {job.backend} (PEP 517)"


def failure(completed: Completed) -> Reason:
    """Why a command of an attempt failed, in words: which limit it broke, or its exit code."""
    command = completed.command
    if completed.ended is not Ended.EXITED:
        code = completed.ended.name.lower()
        return Reason(
            code=code,
            message=f"could not {command.what}: it broke the {completed.ended} after {completed.seconds:.0f} s"
            + _excess(completed),
            advice=f"raise limits.{code} in the recipe if the project really needs more",
            command=command.argv,
            tail=completed.tail,
        )
    if completed.exit_code == 127:
        return Reason(
            code="missing-program",
            message=f"could not {command.what}: {command.argv[0]} is not there",
            advice="name a program that the session has, or add what brings it to the requirements",
            command=command.argv,
            tail=completed.tail,
        )
    ending = (
        f"was killed by signal {-completed.exit_code}"
        if completed.exit_code < 0
        else f"exit code {completed.exit_code}"
    )
    return Reason(
        code="exit-code",
        message=f"could not {command.what}: {ending}",
        advice="what it said is above, and all of it in the log",
        command=command.argv,
        tail=completed.tail,
    )
