"""Many real projects by one call: which come to a published wheel, and how the others are classified.

``breadth.csv`` lists them with what each must come to. The quick ones run always, all of them by ``./ci/test --full``.
"""

from __future__ import annotations

import csv
import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.e2e.conftest import HERE, Done, Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One release: ``outcome`` is built, or the step at which it fails, and then ``cause`` says of what."""

    project: str
    version: str
    outcome: str
    cause: str
    quick: str

    def __str__(self) -> str:
        return f"{self.project}=={self.version}"


with Path(__file__).with_name("breadth.csv").open(encoding="utf-8") as _file:
    ALL = tuple(Row(**row) for row in csv.DictReader(_file))
ROWS = ALL if os.environ.get("BUILDFARM_FULL") else tuple(row for row in ALL if row.quick)


@pytest.fixture(scope="module")
def built(farm: Farm) -> Done:
    (farm.folder / "list.txt").write_text("".join(f"{row}\n" for row in ROWS))
    return farm.run("build", "-r", "list.txt", "-j", "2", "--targets", f"{HERE}-*", "--json", timeout=7200)


@pytest.mark.parametrize("row", ROWS, ids=str)
def test_a_project_comes_to_what_it_must(built: Done, row: Row) -> None:
    name = row.project.replace(".", "-")
    jobs = [job for job in built.json["jobs"] if job["name"] == name]
    ends = {(job["step"], job["cause"]) for job in jobs if job["outcome"] != "succeeded"}
    assert ends == (set() if row.outcome == "built" else {(row.outcome, row.cause)}), jobs
    if row.outcome == "built":
        assert {job["kind"] for job in jobs} == {"build", "test"}


def test_the_exit_code_tells_whether_all_were_built(built: Done) -> None:
    assert built.code == int(any(row.outcome != "built" for row in ROWS))
