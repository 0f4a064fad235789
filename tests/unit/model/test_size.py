from __future__ import annotations

import pytest

from buildfarm.model.size import size


@pytest.mark.parametrize(
    ("count", "text"),
    [(0, "0 bytes"), (1023, "1023 bytes"), (1024, "1 KiB"), (512 << 20, "512 MiB"), (3 << 29, "1.5 GiB")],
)
def test_a_size_has_the_largest_unit_that_fits(count: int, text: str) -> None:
    assert size(count) == text
