"""What some recipes want of the system."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from buildfarm.app.doctor.patient import Patient, read, said
from buildfarm.app.doctor.report import Check, State


def look(patient: Patient) -> Iterator[Check]:
    """git, and system packages."""
    if git := patient.program("git"):
        yield Check(name="git", state=State.OK, message=said(git, "--version").removeprefix("git version "))
    else:
        fix = patient.package("git")
        message = "recipes with a git source need it"
        yield Check(name="git", state=State.MISSING, message=message, fix=fix, root=bool(fix))
    if patient.has_apt:
        name = re.search(r'^PRETTY_NAME="?([^"\n]*)', read(Path("/etc/os-release")), re.MULTILINE)
        message = f"from apt of {name[1] if name else 'this system'}: fetched and unpacked, never installed"
        yield Check(name="packages", state=State.OK, message=message)
    else:
        message = "no apt: recipes with system packages need a machine of the Debian family"
        yield Check(name="packages", state=State.NOTE, message=message)
