"""The table of reasons against the code that gives them, the tests that cause them, and the page that lists them."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from buildfarm.model.reasons import _STEPS, CAUSES, RULES, Cause
from buildfarm.model.rules import RULE_NAMES
from buildfarm.model.session import Ended
from buildfarm.steps.repair import _MEANINGS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reasons.md"
BY_NAME = frozenset({"_unlocked", "_refused", "unlocked"})
"""Functions of ours whose first argument is a code, in modules where that is so."""
COMPUTED = {
    "steps/build.py": {ended.name.lower() for ended in Ended} - {"exited", "stopped"},
    "steps/repair.py": {code for _, code, *_ in _MEANINGS},
    "verify/rules.py": {*RULE_NAMES, "relax"},
    "adapters/resolver.py": set(),
    "adapters/memory.py": set(),
}
"""Where a code is not written beside its reason: the codes that it can be."""

EACH_RULE = "tests/unit/verify/test_each_rule.py::test_only_this_rule_is_broken"
FAILURES = "tests/e2e/test_failures.py::test_says_what_where_and_what_next"
LIMITS = "tests/e2e/test_limits.py::test_the_limit_is_named"
REPAIR = "tests/unit/steps/test_repair.py::test_what_a_failure_means"
PACKAGES = (
    "tests/unit/adapters/toolchain/test_packages.py"
    "::test_apt_pins_a_closure_from_nothing_and_says_what_it_does_not_know"
)
ENVIRONMENTS = (
    "tests/unit/adapters/toolchain/test_environments.py::test_what_cannot_build_is_refused_and_the_others_stay"
)
CAUSED_BY = {
    "unknown-project": "tests/unit/farm/test_causes.py::test_a_name_that_upstream_does_not_know",
    "unknown-version": "tests/unit/farm/test_causes.py::test_a_version_that_upstream_does_not_have",
    "upstream": "tests/contract/test_sources.py::test_upstream_that_does_not_answer_is_said",
    "hash": "tests/unit/farm/test_causes.py::test_a_hash_that_is_not_the_sources",
    "archive": "tests/contract/test_sources.py::test_an_archive_that_is_not_safe_is_refused",
    "source": "tests/unit/farm/test_causes.py::test_a_pyproject_that_makes_no_sense",
    "requirements": FAILURES,
    "test-requirements": FAILURES,
    "insatiable": "tests/unit/farm/test_memory_story.py::test_a_hook_that_always_wants_more_fails_in_the_end",
    "exit-code": FAILURES,
    "missing-program": FAILURES,
    "no-answer": "tests/unit/farm/test_causes.py::test_a_hook_that_ends_well_and_answers_nothing",
    "not-one-wheel": FAILURES,
    **dict.fromkeys(("wall", "silence", "log", "cpu", "memory", "disk", "pids"), LIMITS),
    "git": "tests/contract/test_git.py::test_what_is_not_there_is_said",
    "patch": "tests/unit/farm/test_memory_story.py::test_a_patch_that_does_not_fit_fails_the_build",
    "crates": "tests/unit/steps/test_crates.py::test_what_is_not_locked_by_hash_is_refused",
    "packages": PACKAGES,
    "relax": "tests/unit/verify/test_rules.py::test_a_rule_that_is_none_cannot_be_relaxed",
    "library-not-found": FAILURES,
    "symbols-too-recent": FAILURES,
    "no-binaries": FAILURES,
    "not-a-wheel": "tests/unit/verify/test_rules.py::test_what_is_not_a_wheel_fails_the_step",
    "import": FAILURES,
    "service": "tests/unit/farm/test_causes.py::test_a_test_whose_server_ended_has_not_failed_by_itself",
    "compiler": "tests/unit/farm/test_causes.py::test_a_test_session_with_a_compiler",
    "no-sources": "tests/unit/farm/test_causes.py::test_a_test_that_proves_nothing_is_no_test",
    "no-tests": "tests/unit/farm/test_causes.py::test_a_test_that_proves_nothing_is_no_test",
    "infra": "tests/unit/farm/test_causes.py::test_a_fault_of_ours_is_lost_and_in_the_end_infra",
    "lost": "tests/unit/farm/test_causes.py::test_a_fault_of_ours_is_lost_and_in_the_end_infra",
    "conflict": "tests/unit/farm/test_memory_story.py::test_what_needs_a_wheel_that_is_withheld_is_left_out_in_the_end",
    "cancelled": "tests/contract/test_ledger.py::test_what_waits_is_cancelled_at_once",
    "include": "tests/unit/steps/test_include.py::test_a_glob_that_matches_nothing_fails_with_what_would_help",
    "symbols-forbidden": REPAIR,
    "instructions-too-new": REPAIR,
    "no-libc": REPAIR,
    "unknown-platform": REPAIR,
    "no-patchelf": REPAIR,
    **dict.fromkeys(("headers", "arch", "musl"), ENVIRONMENTS),
    **dict.fromkeys(RULE_NAMES, EACH_RULE),
}


@cache
def codes() -> frozenset[tuple[str, str]]:
    """Every code that the source can give, with the file that gives it; non-constant ones must be explained."""
    return frozenset(_codes())


def _codes() -> Iterator[tuple[str, str]]:
    package = ROOT / "buildfarm"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        text = path.read_text(encoding="utf-8")
        yield from ((code, name) for code in COMPUTED.get(name, ()))
        if "code" not in text and name not in COMPUTED:  # most files, and to parse them all takes a second
            continue
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in BY_NAME and name in COMPUTED and node.args:
                    yield from ((code, name) for code in _texts(node.args[0]))
                for keyword in node.keywords if node.func.id in ("Reason", "replace") else ():
                    if keyword.arg == "code":
                        written = list(_texts(keyword.value))
                        assert written or name in COMPUTED, f"{name}:{node.lineno} computes a code"
                        yield from ((code, name) for code in written)
            if isinstance(node, ast.Assign) and any(
                isinstance(to, ast.Name) and to.id == "code" for to in node.targets
            ):
                yield from ((code, name) for code in _texts(node.value))


def _texts(node: ast.expr) -> Iterator[str]:
    match node:
        case ast.Constant(value=str(text)):
            yield text
        case ast.IfExp(body=body, orelse=other):
            yield from (*_texts(body), *_texts(other))


def test_every_code_of_the_source_has_a_row() -> None:
    assert {(code, name) for code, name in codes() if code not in CAUSES} == set()


def test_every_row_is_used() -> None:
    assert CAUSES.keys() - {code for code, _ in codes()} == {"lost", "cancelled", "conflict"}


def test_every_row_has_a_test_that_causes_it() -> None:
    assert CAUSES.keys() == CAUSED_BY.keys()


def test_no_code_has_two_rows() -> None:
    assert len(CAUSES) == len(_STEPS) + len(RULES)


@pytest.mark.parametrize("code", CAUSED_BY)
def test_the_test_that_causes_it_exists_and_names_it(code: str) -> None:
    path, _, name = CAUSED_BY[code].partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert f"def {name}(" in text, CAUSED_BY[code]
    assert f'"{code}"' in text or f"{code}: " in text, CAUSED_BY[code]


def row(name: str, cause: Cause) -> str:
    steps, retried = ", ".join(cause.steps) or "none", "yes" if cause.retried else "no"
    return f"| {name} | {steps} | {cause.actor} | {retried} | {cause.meaning} |\n"


def test_the_page_is_the_table() -> None:
    rows = [row(f"`{each.code}`", each) for each in CAUSES.values() if each not in RULES]
    rows.append(row("[each other rule of verify](recipes.md#verify)", RULES[0]))
    assert len({replace(each, code="") for each in RULES}) == 1
    before, mark, after = PAGE.read_text(encoding="utf-8").partition("| --- | --- | --- | --- | --- |\n")
    rest = after[after.index("\n\n") + 1 :] if "\n\n" in after else ""
    text = before + mark + "".join(rows) + rest
    if os.environ.get("BUILDFARM_REGOLD"):
        PAGE.write_text(text, encoding="utf-8")
    assert mark
    assert PAGE.read_text(encoding="utf-8") == text
