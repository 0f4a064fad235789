"""Commands and answers of the test step."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources

from buildfarm.model.job import TestJob
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.recipe import Test
from buildfarm.model.session import Command, Completed, Endpoint, Layout
from buildfarm.steps.build import parse_answer, texts

COMPILERS = (
    "cc",
    "gcc",
    "g++",
    "c++",
    "clang",
    "clang++",
    "tcc",
    "zig",
    "zig-cc",
    "ld",
    "as",
    "make",
    "rustc",
    "cargo",
    "gfortran",
)
"""What the probe looks for: a consumer's machine has none of it."""


def imports_script() -> bytes:
    """Source of the script that imports and probes."""
    return (resources.files("buildfarm.steps.inside") / "imports.py").read_bytes()


def imports_request(job: TestJob, test: Test, layout: Layout) -> bytes:
    """What the script is asked, as JSON."""
    request = {
        "project": job.project,
        "modules": list(test.imports),
        "compilers": COMPILERS,
        "result": f"{layout.work}/imports.json",
    }
    return json.dumps(request).encode()


def call_imports(layout: Layout) -> Command:
    """Import the modules of the installed wheel, away from any source."""
    return Command(
        argv=(layout.venv_python, f"{layout.scripts}/imports.py", f"{layout.work}/request.json"),
        cwd=layout.work,
        what="import the wheel's modules",
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ImportAnswer:
    """What was imported, what is worth a note, what failed, and which compilers were found."""

    imported: tuple[str, ...]
    notes: tuple[str, ...]
    failures: tuple[str, ...]
    compilers: tuple[str, ...]


def read_imports(content: bytes) -> ImportAnswer:
    """Parse the script's result; raises ``StepFailed`` for anything that it does not write."""
    answer = parse_answer(content, Step.TEST)
    return ImportAnswer(
        **{name: texts(answer.get(name), Step.TEST) for name in ("imported", "notes", "failures", "compilers")}
    )


def import_failure(failures: tuple[str, ...], completed: Completed) -> Reason:
    """Why modules could not be imported."""
    return Reason(
        code="import",
        message=f"the wheel is installed but {'; '.join(failures)}",
        advice="its own code fails there: the traceback is in the log",
        command=completed.command.argv,
        tail=completed.tail,
    )


def places(layout: Layout, services: Mapping[str, Endpoint]) -> Mapping[str, object]:
    """Values of the placeholders in commands, files and variables: ``{work}``, ``{db.host}``, ``{db.port}``."""
    return {"work": f"{layout.work}/tests", **services}


def commands(test: Test, layout: Layout, services: Mapping[str, Endpoint]) -> tuple[Command, ...]:
    """The commands of a test, each in the folder that the recipe names; its services are also ``DB_HOST``, ``DB_PORT``.

    ``services`` are those that run, by name; a recipe may set the same variables otherwise.
    """
    filled = places(layout, services)
    folder = f"{layout.work}/tests/{test.folder}".rstrip("/")
    env = {f"{name.upper()}_HOST": services[name].host for name in test.services}
    env |= {f"{name.upper()}_PORT": str(services[name].port) for name in test.services}
    env |= {name: value.format_map(filled) for name, value in test.env.items()}
    return tuple(
        Command(
            argv=tuple(word.format_map(filled) for word in shlex.split(line)), cwd=folder, what=f"run {line!r}", env=env
        )
        for line in test.run
    )


def files(test: Test, layout: Layout, services: Mapping[str, Endpoint]) -> Mapping[str, bytes]:
    """Files that the recipe writes for a test, by absolute path, placeholders filled."""
    filled = places(layout, services)
    return {f"{layout.work}/tests/{path}": text.format_map(filled).encode() for path, text in test.files.items()}
