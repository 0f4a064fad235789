"""Files of the session that are put into the wheel before the repair, so that the repair sees them as well."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Collection, Mapping
from functools import partial
from importlib import resources
from typing import IO

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.recipe import Include
from buildfarm.model.session import Command, Layout
from buildfarm.model.size import size
from buildfarm.model.wheel import Artifact
from buildfarm.steps.build import parse_answer, texts
from buildfarm.steps.repack import BROKEN, LARGEST, dist_info, repacked


def script() -> bytes:
    """Source of the script that collects the files."""
    return (resources.files("buildfarm.steps.inside") / "include.py").read_bytes()


def request(job: BuildJob, layout: Layout) -> bytes:
    """What the script is asked, as JSON."""
    asked = {
        "globs": [each.source for each in job.part.repair.include],
        "into": f"{layout.work}/include",
        "image": bool(job.environment.image),
        "result": f"{layout.work}/include.json",
    }
    return json.dumps(asked).encode()


def collect(layout: Layout) -> Command:
    """Copy the files to ``{work}/include``; a glob that is not absolute is one below the source."""
    return Command(
        argv=(layout.venv_python, f"{layout.scripts}/include.py", f"{layout.work}/include-request.json"),
        cwd=layout.source,
        what="collect the files of repair.include",
    )


def chosen(
    job: BuildJob, answer: bytes, collected: Mapping[str, Artifact]
) -> tuple[Mapping[str, Artifact], frozenset[str]]:
    """The files by the member of the wheel that each becomes, and the members that can be run.

    ``answer`` is the script's, ``collected`` the files by their paths below ``{work}/include``. Raises ``StepFailed``
    at repair for a glob that matches nothing, and for two files that would be one member.
    """
    said = parse_answer(answer, Step.REPAIR)
    found, executable = (texts(said.get(name, []), Step.REPAIR) for name in ("found", "executable"))
    members: dict[str, str] = {}
    for number, each in enumerate(job.part.repair.include):
        names = [path for path in found if path.startswith(f"{number}/") and path in collected]
        if not names:
            raise _refused(f"no file matches {each.source}, which repair.include names", _advice(job, each))
        for path in names:
            member = f"{each.to.rstrip('/')}/{collected[path].name}"
            if member in members:
                raise _refused(f"two files of repair.include would be {member}", "give each a folder of its own")
            members[member] = path
    files = {member: collected[path] for member, path in members.items()}
    return files, frozenset(member for member, path in members.items() if path in executable)


def included(
    job: BuildJob,
    wheel: IO[bytes],
    files: Mapping[str, Artifact],
    executable: Collection[str],
    read: Callable[[str], IO[bytes]],
) -> bytes:
    """The wheel with the files in it, by member; ``read`` opens bytes by their sha256. Equal inputs give equal bytes.

    Only the answer is held in memory. Raises ``StepFailed`` at repair for a member that the wheel has already, for what
    is no wheel, and for one that would then unpack to more than a wheel may.
    """
    try:
        with zipfile.ZipFile(wheel) as packed:
            if taken := sorted(files.keys() & set(packed.namelist())):
                raise _refused(f"the wheel has {', '.join(taken)} already", "include into a folder of its own")
            if not dist_info(packed):
                raise _refused("the wheel that was built has no RECORD, or unpacks to too much", "look at its backend")
            total = sum(each.file_size for each in packed.infolist()) + sum(each.size for each in files.values())
            if total > LARGEST:
                message = f"with the files of repair.include the wheel would unpack to {size(total)}"
                raise _refused(message, f"a wheel has room for {size(LARGEST)}")
            added = {member: partial(read, each.sha256) for member, each in files.items()}
            return repacked(packed, added, job.source.epoch, executable)
    except BROKEN as error:
        raise _refused(f"the wheel that was built cannot be read: {error}", "look at its build backend") from error


def _advice(job: BuildJob, include: Include) -> str:
    if include.source.startswith("/"):
        where = "of the image" if job.environment.image else "of unpacked packages, as on any system below /usr"
        return f"name the package that has it under system:; what begins with / is over the files {where}"
    return "a glob that does not begin with / is over the files of the source, after its build"


def _refused(message: str, advice: str) -> StepFailed:
    return StepFailed(Step.REPAIR, Reason(code="include", message=message, advice=advice))
