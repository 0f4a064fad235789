"""All rules in one table, and how their findings become a verified wheel or a failed step."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from typing import IO

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Reason, Step
from buildfarm.model.wheel import Artifact, Finding, Severity, VerifiedWheel
from buildfarm.verify.archive import NotAWheel
from buildfarm.verify.claim import Claim
from buildfarm.verify.compiled import abi3, build_paths, lost_extensions, policy, rpath
from buildfarm.verify.finding import error
from buildfarm.verify.identity import licence, name_version, record
from buildfarm.verify.platform import tags
from buildfarm.verify.wheelfile import Wheel, content_digest, read_wheel

Rule = Callable[[Wheel, Claim], Iterator[Finding]]

RULES: Mapping[str, Rule] = {
    "name-version": name_version,
    "tags": tags,
    "record": record,
    "policy": policy,
    "lost-extensions": lost_extensions,
    "abi3": abi3,
    "rpath": rpath,
    "build-paths": build_paths,
    "licence": licence,
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
    message = f"{finding.message} (relaxed by the recipe: {relax[finding.rule]})"
    return replace(finding, severity=Severity.WARNING, message=message)


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
