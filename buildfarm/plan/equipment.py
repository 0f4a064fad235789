"""What an environment gives to the build of a recipe: system packages by name, and the compiler."""

from __future__ import annotations

import re

from buildfarm.model.job import BuildPart, Environment

CARGO = re.compile(r"cargo(-web|-mozilla|-[\d.]+)?")
"""As distributions name it; cargo-c and its kind are not it."""


def system_of(part: BuildPart, environment: Environment) -> tuple[str, ...]:
    """Names of the system packages that the image's own manager installs for the build; none on a host."""
    if not environment.image:
        return ()
    return tuple(name for manager in environment.system for name in getattr(part.system, manager))


def compiler_of(part: BuildPart, environment: Environment) -> str:
    """``zig`` or ``system``: what compiles where the recipe leaves it open, else what the recipe says.

    Libraries of an image need its own libc: with them there is nothing to gain from zig.
    """
    if part.build.compiler != "auto":
        return part.build.compiler
    if environment.image and (system_of(part, environment) or "zig" not in environment.compilers):
        return "system"
    return "zig"
