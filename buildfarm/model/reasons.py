"""THE table of reasons: every code that a failure can have, at which step, who must act, and what it means."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from buildfarm.model.outcome import Step
from buildfarm.model.rules import RULE_NAMES


class Actor(StrEnum):
    """Who must act, before it can end otherwise."""

    AUTHOR = "the recipe's author"
    PROJECT = "the project (or a patch in the recipe)"
    OPERATOR = "the farm's operator"
    REQUESTER = "whoever asked for it"
    NOBODY = "nobody"


@dataclass(frozen=True, slots=True, kw_only=True)
class Cause:
    """One code: the steps at which it ends an attempt, and whether the farm tries again by itself.

    ``steps`` is empty for what ends no attempt: a state of a job or of a publication, or a target that is left out.
    """

    code: str
    steps: tuple[Step, ...]
    actor: Actor
    meaning: str
    retried: bool = False


def _row(code: str, steps: str, actor: Actor, meaning: str, *, retried: bool = False) -> Cause:
    return Cause(code=code, steps=tuple(map(Step, steps.split())), actor=actor, meaning=meaning, retried=retried)


_RUNNING = "build repair test"
_A, _P, _O, _R = Actor.AUTHOR, Actor.PROJECT, Actor.OPERATOR, Actor.REQUESTER

_STEPS = (
    # what it is made of
    _row("unknown-project", "prepare", _R, "upstream has no sdist under that name"),
    _row("unknown-version", "prepare", _R, "upstream has no sdist of that version"),
    _row("upstream", "prepare", _O, "upstream could not be asked, or its answer was not understood"),
    _row("hash", "prepare", _A, "a file is not the one that was promised, pinned or written in the recipe"),
    _row("archive", "prepare", _P, "the source cannot be unpacked safely: damaged, too large, or hostile"),
    _row("source", "prepare", _A, "the source does not say what it must: its version, or a sensible pyproject.toml"),
    _row("git", "prepare", _A, "a git source cannot be had: no git here, no such commit, or something unsafe in it"),
    _row("patch", "prepare build", _A, "a patch cannot be read, or does not apply"),
    _row("packages", "prepare build", _A, "system packages cannot be had under those names"),
    _row("crates", "prepare", _P, "the Rust crates that the source locks cannot be had, or it locks none"),
    _row("requirements", "prepare", _A, "no wheels are to be had for what the build requires"),
    _row("test-requirements", "prepare", _A, "no wheels are to be had for what the wheel or its test requires"),
    _row("insatiable", "build", _A, "the build hook asked for more requirements every time that it got them"),
    # commands
    _row("exit-code", _RUNNING, _P, "a command failed; its decisive lines say why"),
    _row("missing-program", _RUNNING, _A, "a command is not there"),
    _row("no-answer", "build test", _P, "our script was ended, or its answer was written over"),
    _row("not-one-wheel", "build repair", _P, "the step left no wheel, or several"),
    # limits
    _row("wall", _RUNNING, _A, "it took longer than `limits.wall`"),
    _row("silence", _RUNNING, _A, "it said nothing for longer than `limits.silence`"),
    _row("log", _RUNNING, _A, "it said more than `limits.log`"),
    _row("cpu", _RUNNING, _A, "it used more processor time than `limits.cpu`"),
    _row("memory", _RUNNING, _A, "it used more memory than `limits.memory`"),
    _row("disk", _RUNNING, _A, "it wrote more than `limits.disk`"),
    _row("pids", _RUNNING, _A, "it had more processes than `limits.pids`"),
    # repair
    _row("include", "repair", _A, "`repair.include` matches no file, or the wheel has one of that name already"),
    _row("library-not-found", "repair", _A, "the wheel needs a library that is not in the session"),
    _row("symbols-too-recent", "repair", _A, "its binaries need a newer system than the target's floor"),
    _row("symbols-forbidden", "repair", _P, "its binaries use symbols that the platform's policy forbids"),
    _row("instructions-too-new", "repair", _P, "its binaries need a newer processor than the platform's baseline"),
    _row("foreign-architecture", "repair verify", _P, "its binaries are for another architecture than its tag says"),
    _row("no-binaries", "repair verify", _P, "it is tagged for a platform, and holds nothing compiled"),
    _row("no-libc", "repair", _P, "its binaries name no C library, so their floor cannot be told"),
    _row("unknown-platform", "repair", _A, "the repair tool knows no policy of that name here"),
    _row("no-patchelf", "repair", _O, "the session lacks a tool of ours"),
    # verify and test
    _row("not-a-wheel", "verify", _P, "the file is no wheel that can be read"),
    _row("relax", "verify", _A, "the recipe relaxes a rule that does not exist"),
    _row("import", "test", _P, "the wheel is installed, and a module of it cannot be imported"),
    _row("no-sources", "test", _A, "the test names paths that the source lacks, or a folder that it does not see"),
    _row("no-tests", "test", _A, "a command of the test said that no test ran"),
    _row("service", "test", _A, "a server that the test needs did not get ready, or ended while the tests ran"),
    _row("compiler", "test", _O, "the test session has a compiler, so the test proves nothing"),
    # the farm
    _row("infra", "prepare", _O, "the farm could not prepare it, or lost the attempt too often; it was not judged"),
    _row("lost", "", Actor.NOBODY, "a worker died, or the farm failed it: it is queued again", retried=True),
    _row("cancelled", "", _R, "somebody cancelled the job"),
    _row("conflict", "", _O, "the index has a file of that name with other bytes; it is never overwritten"),
    _row("headers", "", _O, "left out: an interpreter has no headers, and they cannot be fetched"),
    _row("arch", "", _O, "left out: an interpreter is for a machine that cannot be built for here"),
    _row("musl", "", _O, "left out: an interpreter is for musl, and here only wheels for glibc can be built"),
)

_NAMED = frozenset(cause.code for cause in _STEPS)

RULES: tuple[Cause, ...] = tuple(
    _row(name, "verify", _P, "a rule of verify is broken; `verify.relax` lets it pass with a reason")
    for name in RULE_NAMES
    if name not in _NAMED
)
"""The rules of verify that are no cause elsewhere too."""

CAUSES = {cause.code: cause for cause in (*_STEPS, *RULES)}
"""By code, in the order of an attempt's life."""
