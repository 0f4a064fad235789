"""Which farm a home is."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from buildfarm.adapters.container.farm import identity
from buildfarm.model.errors import FarmError


def test_a_home_is_the_same_farm_for_all_who_ask_at_once(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        names = set(pool.map(identity, [tmp_path / "home"] * 32))
    assert len(names) == 1
    assert [path.name for path in (tmp_path / "home").iterdir()] == ["farm"]
    assert names != {identity(tmp_path / "other")}


def test_a_home_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "home").write_text("")
    with pytest.raises(FarmError, match="cannot write"):
        identity(tmp_path / "home" / "below")
