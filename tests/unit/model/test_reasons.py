"""The table of reasons against the code that gives them, the tests that cause them, and the page that lists them."""

from __future__ import annotations

import ast
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from buildfarm.model.reasons import CAUSES
from buildfarm.model.rules import RULE_NAMES
from buildfarm.model.session import Ended
from buildfarm.steps.repair import _MEANINGS

ROOT = Path(__file__).parents[3]
PAGE = ROOT / "docs" / "reasons.md"
BY_NAME = frozenset({"_unlocked", "_refused", "unlocked"})
"""Functions of ours whose first argument is a code, in modules where that is so."""
COMPUTED = {
    "steps/build.py": {ended.name.lower() for ended in Ended} - {"exited"},
    "steps/repair.py": {code for _, code, *_ in _MEANINGS},
    "verify/rules.py": {*RULE_NAMES, "relax"},
    "adapters/resolver.py": set(),
    "adapters/memory.py": set(),
}
"""Where a code is not written beside its reason: the codes that it can be."""

RULES = "tests/unit/verify/test_each_rule.py::test_only_this_rule_is_broken"
FAILURES = "tests/e2e/test_failures.py::test_says_what_where_and_what_next"
REPAIR = "tests/unit/steps/test_repair.py::test_what_a_failure_means"
ENVIRONMENTS = "tests/unit/adapters/toolchain/test_environments.py"
CAUSED_BY = {
    "unknown-project": "tests/unit/farm/test_causes.py::test_a_name_that_upstream_does_not_know",
    "unknown-version": "tests/unit/farm/test_causes.py::test_a_version_that_upstream_does_not_have",
    "upstream": "tests/contract/test_sources.py",
    "hash": "tests/unit/farm/test_causes.py::test_a_hash_that_is_not_the_sources",
    "archive": "tests/contract/test_sources.py",
    "source": "tests/unit/farm/test_causes.py::test_a_pyproject_that_makes_no_sense",
    "requirements": FAILURES,
    "test-requirements": FAILURES,
    "insatiable": "tests/unit/farm/test_memory_story.py::test_a_hook_that_always_wants_more_fails_in_the_end",
    "exit-code": FAILURES,
    "missing-program": FAILURES,
    "no-answer": "tests/unit/farm/test_causes.py::test_a_hook_that_ends_well_and_answers_nothing",
    "not-one-wheel": FAILURES,
    "stopped": "tests/unit/steps/test_build.py::test_why_a_command_failed",
    "wall": FAILURES,
    "silence": FAILURES,
    "log": FAILURES,
    **dict.fromkeys(("cpu", "memory", "disk", "pids"), "tests/e2e/test_limits.py"),
    "git": "tests/contract/test_git.py",
    "patch": "tests/unit/farm/test_memory_story.py::test_a_patch_that_does_not_fit_fails_the_build",
    "crates": "tests/unit/steps/test_crates.py",
    "packages": "tests/unit/adapters/toolchain/test_packages.py",
    "relax": "tests/unit/verify/test_rules.py",
    "library-not-found": FAILURES,
    "symbols-too-recent": FAILURES,
    "no-binaries": FAILURES,
    "not-a-wheel": "tests/unit/verify/test_rules.py",
    "import": FAILURES,
    "compiler": "tests/unit/farm/test_causes.py::test_a_test_session_with_a_compiler",
    "infra": "tests/unit/farm/test_causes.py::test_a_fault_of_ours_is_lost_and_in_the_end_infra",
    "lost": "tests/unit/farm/test_causes.py::test_a_fault_of_ours_is_lost_and_in_the_end_infra",
    "conflict": "tests/unit/farm/test_memory_story.py::test_what_needs_a_wheel_that_is_withheld_is_left_out_in_the_end",
    "cancelled": "tests/contract/test_ledger.py::test_what_waits_is_cancelled_at_once",
    "symbols-forbidden": REPAIR,
    "instructions-too-new": REPAIR,
    "no-libc": REPAIR,
    "unknown-platform": REPAIR,
    "no-patchelf": REPAIR,
    "headers": ENVIRONMENTS,
    "arch": ENVIRONMENTS,
    **dict.fromkeys(RULE_NAMES, RULES),
}


def codes() -> Iterator[tuple[str, str]]:
    """Every code that the source can give, with the file that gives it; non-constant ones must be explained."""
    package = ROOT / "buildfarm"
    for path in sorted(package.rglob("*.py")):
        name = path.relative_to(package).as_posix()
        text = path.read_text(encoding="utf-8")
        yield from ((code, name) for code in COMPUTED.get(name, ()))
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
    known = {cause.code for cause in CAUSES}
    assert {(code, name) for code, name in codes() if code not in known} == set()


def test_every_row_is_used() -> None:
    states = {cause.code for cause in CAUSES if cause.code in ("lost", "cancelled", "conflict")}
    assert {cause.code for cause in CAUSES} - {code for code, _ in codes()} - states == set()


def test_every_row_has_a_test_that_causes_it() -> None:
    assert {cause.code for cause in CAUSES} - CAUSED_BY.keys() == set()


def test_no_code_has_two_rows() -> None:
    assert len({cause.code for cause in CAUSES}) == len(CAUSES)


@pytest.mark.parametrize("code", CAUSED_BY)
def test_the_test_that_causes_it_exists_and_names_it(code: str) -> None:
    path, _, name = CAUSED_BY[code].partition("::")
    text = (ROOT / path).read_text(encoding="utf-8")
    assert re.search(rf"def {name or 'test_'}", text), CAUSED_BY[code]
    assert f'"{code}"' in text or f"{code}: " in text, CAUSED_BY[code]


def test_the_page_is_the_table() -> None:
    rows = [
        f"| `{each.code}` | {', '.join(each.steps) or 'none'} | {each.actor} | {'yes' if each.retried else 'no'} "
        f"| {each.meaning} |\n"
        for each in CAUSES
    ]
    before, mark, after = PAGE.read_text(encoding="utf-8").partition("| --- | --- | --- | --- | --- |\n")
    rest = after[after.index("\n\n") + 1 :] if "\n\n" in after else ""
    text = before + mark + "".join(rows) + rest
    if os.environ.get("BUILDFARM_REGOLD"):
        PAGE.write_text(text, encoding="utf-8")
    assert mark
    assert PAGE.read_text(encoding="utf-8") == text
