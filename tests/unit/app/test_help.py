"""What `--help` looks like on a terminal of 80 columns, and what a glob that selects nothing is told."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner

from buildfarm.app.cli import cli

GOLDEN = Path(__file__).parents[2] / "golden" / "help"
WITH_EXAMPLES = (
    *("build", "plan", "debug", "verify", ""),
    *("recipe check", "recipe new", "recipe pin", "image build", "image pin"),
    *("client-config", "replica", "index doctor"),
    *("admit", "disown", "import", "proxy", "publish"),
    *("index create", "index set", "index retry", "promote", "yank", "unyank"),
    *("quarantine", "unquarantine", "mark", "delete"),
    "docs put",
    *("serve", "token create"),
)


def commands(group: click.Group, above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The words of every command, those of the groups too."""
    yield above
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from commands(command, (*above, name))
        else:
            yield (*above, name)


def told(*words: str) -> str:
    done = CliRunner().invoke(cli, [*words, "--help"], terminal_width=80, prog_name="buildfarm")
    assert done.exit_code == 0
    return done.output


@pytest.mark.parametrize("words", [*commands(cli)], ids=" ".join)
def test_nothing_is_cut_and_examples_stand_as_they_are(words: tuple[str, ...]) -> None:
    text = told(*words)
    assert "\\b" not in text
    assert not [line for line in text.splitlines() if line.endswith("...") and not line.startswith("Usage:")]
    assert max(map(len, text.splitlines())) <= 80
    assert ("\n  Examples:\n    buildfarm " in text) == (" ".join(words) in WITH_EXAMPLES)


@pytest.mark.parametrize("words", ["", "recipe", "build"])
def test_golden_help(words: str) -> None:
    golden = GOLDEN / f"{words or 'buildfarm'}.txt"
    text = told(*words.split())
    if os.environ.get("BUILDFARM_REGOLD"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text)
    assert text == golden.read_text()


@pytest.mark.parametrize(
    ("glob", "advice"),
    [("cp299-*", "did you mean 'cp39'?"), ("cp312", "did you mean 'cp312-*'?"), ("cp31", "for example: ")],
)
def test_targets_that_cannot_be_are_a_wrong_call(glob: str, advice: str) -> None:
    done = CliRunner().invoke(cli, ["plan", "demo", "--targets", glob])
    assert done.exit_code == 2
    assert f"'{glob}' matches no build identifier\nhelp: {advice}" in done.output
    assert "`buildfarm doctor` says for which targets" in done.output
