"""All rules in one table, and how their findings become a verified wheel or a failed step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import IO

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.wheel import Artifact, Finding, Severity, VerifiedWheel
from buildfarm.verify.abi3 import abi3
from buildfarm.verify.architecture import foreign_architecture, libc, module_suffix, purelib
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.compiled import lost_extensions, no_binaries, policy
from buildfarm.verify.contents import build_paths, case_collision, leftovers, shadows_stdlib, top_level
from buildfarm.verify.finding import error
from buildfarm.verify.grafted import unlisted_library, unneeded_library
from buildfarm.verify.identity import licence, name_version
from buildfarm.verify.loading import executable_stack, rpath, text_relocations, writable_code
from buildfarm.verify.metadata import metadata, requires_python
from buildfarm.verify.platform import tags, wheel_file
from buildfarm.verify.record import record
from buildfarm.verify.run_time import run_time_paths
from buildfarm.verify.scripts import entry_points, scripts
from buildfarm.verify.wheelfile import Wheel, content_digest, read_wheel

Rule = Callable[[Wheel, Claim], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "name-version": name_version,
    "metadata": metadata,
    "requires-python": requires_python,
    "wheel-file": wheel_file,
    "tags": tags,
    "record": record,
    "licence": licence,
    "purelib": purelib,
    "foreign-architecture": foreign_architecture,
    "libc": libc,
    "policy": policy,
    "no-binaries": no_binaries,
    "lost-extensions": lost_extensions,
    "module-suffix": module_suffix,
    "abi3": abi3,
    "rpath": rpath,
    "run-time-paths": run_time_paths,
    "executable-stack": executable_stack,
    "text-relocations": text_relocations,
    "writable-code": writable_code,
    "unneeded-library": unneeded_library,
    "unlisted-library": unlisted_library,
    "top-level": top_level,
    "shadows-stdlib": shadows_stdlib,
    "case-collision": case_collision,
    "leftovers": leftovers,
    "scripts": scripts,
    "entry-points": entry_points,
    "build-paths": build_paths,
}


def check(wheel: Wheel, claim: Claim) -> tuple[Finding, ...]:
    """All findings, in the order of the table; a relaxed error is a warning that carries the reason."""
    found = (replace(finding, rule=name) for name, rule in RULES.items() for finding in rule(wheel, claim))
    return (*(_relaxed(finding, claim.relax) for finding in found), *_unknown(claim.relax))


def verify(artifact: Artifact, content: IO[bytes], claim: Claim) -> VerifiedWheel:
    """Hold the bytes of a wheel (seekable) against every rule.

    Raises ``StepFailed`` at verify with all errors in its message; its code is the name of the first rule that was
    broken, or ``not-a-wheel``.
    """
    try:
        wheel = read_wheel(artifact.name, content, root=claim.root)
    except NotAWheel as problem:
        raise StepFailed(
            Step.VERIFY, Reason(code="not-a-wheel", message=f"{artifact.name} is not a wheel: {problem}")
        ) from problem
    findings = check(wheel, claim)
    errors = [finding for finding in findings if finding.severity is Severity.ERROR]
    if errors:
        raise StepFailed(Step.VERIFY, _reason(artifact.name, errors))
    return VerifiedWheel(
        artifact=artifact, content=content_digest(wheel), extensions=len(wheel.extensions), warnings=findings
    )


def _relaxed(finding: Finding, relax: Mapping[str, str]) -> Finding:
    if finding.severity is Severity.WARNING or finding.rule not in relax:
        return finding
    reason = relax[finding.rule]
    message = f"{finding.message} (relaxed by the recipe: {reason})"
    return replace(finding, severity=Severity.WARNING, message=message, relaxed=reason)


def _unknown(relax: Mapping[str, str]) -> Iterator[Finding]:
    for name in sorted(relax.keys() - RULES.keys()):
        yield replace(
            error(f"the recipe relaxes {name!r}, which is no rule", advice=f"the rules are {', '.join(RULES)}"),
            rule="relax",
        )


def _reason(filename: str, errors: list[Finding]) -> Reason:
    lines = [f"{finding.rule}: {finding.message}" for finding in errors]
    advice = dict.fromkeys(finding.advice for finding in errors if finding.advice)
    return Reason(code=errors[0].rule, message="\n  ".join([f"{filename}:", *lines]), advice="\n".join(advice))
