"""From a failed build to the repaired wheel by nothing but what the terminal advises."""

from __future__ import annotations

import os
import re

import pytest

from tests.e2e.conftest import Farm

pytestmark = [pytest.mark.host, pytest.mark.network, pytest.mark.slow, pytest.mark.e2e]


QUICK = [("cffi", "2.1.1", "ffi.h")]
LONG = [("gmpy2", "2.3.2", "gmp.h"), ("pyodbc", "5.5.0", "sql.h")]  # one header after the other; a libc++ of its own


@pytest.mark.parametrize(("project", "version", "missing"), QUICK + LONG if os.environ.get("BUILDFARM_FULL") else QUICK)
def test_a_missing_header_is_named_and_the_advice_brings_it(
    farm: Farm, project: str, version: str, missing: str
) -> None:
    recipe = farm.folder / f"{project}.yaml"
    told = f'name: {project}\nversions: ["{version}"]\n'
    recipe.write_text(told)
    done = farm.build(recipe)
    assert missing in " ".join(done.job(project)["lines"])
    for _ in range(3):  # a header may hide another
        if done.code:
            advised = re.search(r"`(system: \{apt: \[.*?\]\})`", done.job(project)["advice"])
            assert advised, done.job(project)["advice"]
            recipe.write_text(f"{told}{advised[1]}\n")
            done = farm.build(recipe)
    assert done.code == 0, done.err
