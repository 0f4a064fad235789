"""Commands of the repair step, and what its failures mean.

One row a platform family: auditwheel for manylinux and musllinux. delocate and delvewheel come with their hosts.
"""

from __future__ import annotations

import re

from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Reason
from buildfarm.model.session import Command, Completed, Layout
from buildfarm.steps.build import failure

_TOOLS = {"manylinux": "auditwheel", "musllinux": "auditwheel"}


def is_pure(filename: str) -> bool:
    """Whether a wheel's file name says that it runs anywhere, so that there is nothing to repair."""
    return filename.endswith("-any.whl")


def repair(job: BuildJob, layout: Layout, wheel: str) -> Command:
    """Graft what the wheel needs from outside and tag it for the target's floor, into an empty folder."""
    tool = _TOOLS[re.match(r"[a-z]+", job.target.platform)[0]]  # type: ignore[index]  # every platform begins with letters
    options = [option for library in job.part.repair.exclude for option in ("--exclude", library)]
    if job.part.repair.search:
        options += ["--ldpaths", ":".join(job.part.repair.search)]
    return Command(
        argv=(*layout.tools[tool], "repair", "--plat", job.target.platform, "-w", layout.repaired, *options, wheel),
        cwd=layout.work,
        what="repair the wheel",
    )


def stamp(job: BuildJob, layout: Layout, wheel: str) -> Command:
    """Give the wheel its build tag (PEP 427), so that a rebuild has a file name of its own."""
    return Command(
        argv=(*layout.tools["wheel"], "tags", "--remove", "--build", str(job.build_tag), wheel),
        cwd=layout.repaired,
        what="stamp the build tag",
    )


_MEANINGS: tuple[tuple[str, str, str, str], ...] = (
    # what auditwheel says, code, message, advice
    (
        r"required library \"(?P<what>[^\"]+)\" could not be located",
        "library-not-found",
        "the wheel needs {what}, which is not in the session",
        "name its package under system:, its folder under repair.search, or leave it external by repair.exclude",
    ),
    (
        r"because of the presence of too-recent versioned symbols",
        "symbols-too-recent",
        "its binaries use symbols newer than {platform} admits",
        "build with zig (compiler: auto), in an older environment, or for a newer platform",
    ),
    (
        r"depends on black-listed symbols",
        "symbols-forbidden",
        "its binaries use symbols that {platform} forbids",
        "exclude the library, or build against one that does not need them",
    ),
    (
        r"unsupported ISA extensions|ISA extension",
        "instructions-too-new",
        "its binaries use CPU instructions beyond the platform's baseline",
        "remove -march options from the build (build.env: CFLAGS)",
    ),
    (
        r"no ELF.*with a '(?P<what>\w+)' architecture|Invalid binary wheel",
        "foreign-architecture",
        "its binaries are for another architecture than the tag says",
        "the build ignored the tool-chain it was given: look for CC and CXX in the log",
    ),
    (
        r"does not look like a platform wheel|no ELF executable or shared library",
        "no-binaries",
        "the wheel is tagged for a platform but holds no binary of it",
        "say wheel: pure if the project has none; else find in the log why its extensions were left out",
    ),
    (
        r"couldn't detect libc|could not detect.*libc",
        "no-libc",
        "its binaries name no C library, so their floor cannot be told",
        "link the extension against libc (LDFLAGS: -Wl,--no-as-needed -lc), or say wheel: pure",
    ),
    (
        r"invalid choice",
        "unknown-platform",
        "auditwheel knows no policy {platform} on this machine",
        "choose a platform that has a policy, on a machine of that architecture",
    ),
    (
        r"Cannot find required utility 'patchelf'",
        "no-patchelf",
        "patchelf is not on the session's PATH",
        "this is the farm's fault: run the build again, then report it",
    ),
)


def repair_failure(job: BuildJob, completed: Completed) -> Reason:
    """What a failed repair means, from the tool's own words (auditwheel's exit code 2 is both a bad call and "cannot
    repair").
    """
    said = "\n".join(completed.tail)
    for pattern, code, message, advice in _MEANINGS:
        if match := re.search(pattern, said):
            facts = {"platform": job.target.platform, "what": (match.groupdict().get("what") or "")}
            return Reason(
                code=code,
                message=message.format(**facts),
                advice=advice,
                command=completed.command.argv,
                tail=completed.tail,
            )
    return failure(completed)
