"""The machine as a place to build on: its interpreters, and the environments that they make."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from packaging import tags

from buildfarm.adapters.host import environments, interpreters, services
from buildfarm.adapters.host.environments import Refused
from buildfarm.app.settings import Settings
from buildfarm.model.image import Image
from buildfarm.model.job import Environment
from buildfarm.model.target import Target, manylinux


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What was found here: its interpreters, the environments that they make, and those that cannot be built for."""

    interpreters: tuple[interpreters.Interpreter, ...]
    environments: tuple[Environment, ...]
    refused: tuple[Refused, ...]


def look(settings: Settings, environ: Mapping[str, str], cache: Path) -> Machine:
    """Look at this machine; makes nothing but ``cache``, the file of what its interpreters answered."""
    found = interpreters.discover(environ.get("PATH", os.defpath), Path.home(), cache)
    offered, refused = environments.host_environments(found, floor=settings.floor)
    return Machine(interpreters=found, environments=offered, refused=refused)


def offered(machine: Machine, images: Mapping[str, Image], settings: Settings) -> tuple[Environment, ...]:
    """Its environments, with those services of ``images`` that it has itself; and those that lack something."""
    serving = services.offered(images)
    runs = next((each for each in tags.platform_tags() if each.startswith("manylinux_")), "")
    served = (replace(each, services=serving, runs=runs) for each in machine.environments)
    return (*served, *(_lacking(each, settings) for each in machine.refused))


def _lacking(refused: Refused, settings: Settings) -> Environment:
    """An interpreter that cannot be built for, so that plans say why."""
    interpreter = refused.interpreter
    return Environment(
        name="host",
        lane="",
        target=Target(abi=interpreter.abi, platform=manylinux(settings.floor, interpreter.arch)),
        definition={},
        test_definition={},
        lacks=f"{refused.reason.message}. {refused.reason.advice}".strip(),
    )
