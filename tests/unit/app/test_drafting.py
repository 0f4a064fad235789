"""What strangers wrote stays in the comments of a drafted recipe."""

from __future__ import annotations

import io
from pathlib import Path

import pytest

from buildfarm.app.drafting import _text
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import SourcePin
from buildfarm.model.recipe import Verify
from buildfarm.model.wheel import Artifact
from buildfarm.recipe.diagnostic import Diagnostic
from buildfarm.recipe.parse import parse_recipe
from buildfarm.recipe.requirements import parse_requirement
from buildfarm.steps.entry import Entry
from buildfarm.steps.survey import survey

SOURCE = KnownSource(
    pin=SourcePin(artifact=Artifact(name="demo-1.tar.gz", size=1, sha256="0" * 64), origin="/demo", epoch=0),
    native=True,
    backend="setuptools.build_meta",
)


@pytest.mark.parametrize("end", ["\n", "\r", "\x85", "\u2028", "\u2029", "\x1b[31m"])
def test_no_comment_ends_early(end: str, tmp_path: Path) -> None:
    path = f"src/a{end}verify: {{relax: {{policy: upstream says so}}}}{end}#.c"
    seen = survey([Entry(path=path, kind="file", size=10, opener=lambda: io.BytesIO(b"#include <yaml.h>\n"))])
    wish = parse_requirement("demo==1")
    assert not isinstance(wish, Diagnostic)
    text = _text(wish, "1", SOURCE, seen)
    parsed = parse_recipe(text, file="demo.yaml", folder=str(tmp_path))
    assert "upstream says so" in text
    assert text.replace("\n", "").isprintable()
    assert parsed.recipe is not None
    assert parsed.recipe.verify == Verify()
