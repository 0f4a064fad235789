"""What a source's URL comes to."""

from __future__ import annotations

import pytest

from buildfarm.farm.resolve import _of_url
from buildfarm.model.errors import RecipeError
from buildfarm.model.recipe import UrlSource


def test_a_password_is_not_said() -> None:
    with pytest.raises(RecipeError) as refused:
        _of_url(UrlSource(url="https://me:S3CRET@host/dl?id=1", sha256="0" * 64))
    assert "append the name: https://***@host/dl?id=1#NAME-1.0.tar.gz" in str(refused.value)
    assert "S3CRET" not in str(refused.value)
