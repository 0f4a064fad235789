"""Commands and answers of the build step (PEP 517)."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable
from dataclasses import dataclass
from importlib import resources

from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Reason
from buildfarm.model.session import Command, Completed, Ended, Layout
from buildfarm.steps.inside import hook

HOOK_VERSION = hook.VERSION


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
    return tuple(
        Command(
            argv=tuple(shlex.split(line.format_map({"work": layout.source}))),
            cwd=layout.source,
            what="run build.before",
            env=job.part.build.env,
        )
        for line in job.part.build.before
    )


def call_hook(job: BuildJob, layout: Layout) -> Command:
    """Ask the backend for more requirements and, where it wants none, for the wheel."""
    return Command(
        argv=(layout.venv_python, f"{layout.scripts}/hook.py", f"{layout.work}/request.json"),
        cwd=layout.source,
        what="build the wheel",
        env=job.part.build.env,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class HookAnswer:
    """What the hooks said: requirements that are wanted, or the file name of the wheel."""

    wants: tuple[str, ...] = ()
    wheel: str = ""


def read_answer(content: bytes) -> HookAnswer:
    """Parse the script's result; raises ``ValueError`` for anything that it does not write."""
    answer = json.loads(content)
    if not isinstance(answer, dict):
        raise ValueError(f"not an answer of the hook script: {answer!r}")
    return HookAnswer(wants=tuple(map(str, answer.get("wants", ()))), wheel=str(answer.get("wheel", "")))


def failure(completed: Completed, limits_hint: str = "") -> Reason:
    """Why a command of an attempt failed, in words: which limit it broke, or its exit code."""
    command = completed.command
    common = {"command": command.argv, "tail": completed.tail}
    if completed.ended is not Ended.EXITED:
        code = {Ended.WALL: "wall", Ended.SILENCE: "silence", Ended.LOG: "log"}.get(completed.ended, "stopped")
        return Reason(
            code=code,
            message=f"could not {command.what}: it broke the {completed.ended} after {completed.seconds:.0f} s{limits_hint}",
            advice=f"raise limits.{code} in the recipe if the project really needs more",
            **common,
        )
    if completed.exit_code == 127:
        return Reason(
            code="missing-program",
            message=f"could not {command.what}: {command.argv[0]} is not there",
            advice="name a program that the session has, or add what brings it to the requirements",
            **common,
        )
    ending = f"was killed by signal {-completed.exit_code}" if completed.exit_code < 0 else f"exit code {completed.exit_code}"
    return Reason(
        code="exit-code",
        message=f"could not {command.what}: {ending}",
        advice="the end of its output is below, the whole log beside it",
        **common,
    )
