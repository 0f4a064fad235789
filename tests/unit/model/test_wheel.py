from __future__ import annotations

import pytest

from buildfarm.model.wheel import is_grafted


@pytest.mark.parametrize("path", ["demo.libs/liba-1.so", "demo/.dylibs/liba.dylib", "demo/sub.libs/liba.so"])
def test_what_a_repair_put_in_is_known_by_its_folder(path: str) -> None:
    assert is_grafted(path)


@pytest.mark.parametrize("path", ["demo/liba.so", "demo.libs", "libs/liba.so", "demo.libs.old/liba.so"])
def test_everything_else_is_the_projects_own(path: str) -> None:
    assert not is_grafted(path)
