from __future__ import annotations

import click
import pytest
from click.testing import CliRunner

from buildfarm.app.cli import cli
from buildfarm.app.options import some_span, span


@click.command()
@click.option("--since", default="2w", callback=span)
@click.option("--every", callback=some_span)
def told(since: float, every: float | None) -> None:
    click.echo(f"{since} {every}")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "1209600.0 None"),
        (("--since", "0s", "--every", "0.1s"), "0.0 0.1"),
        (("--since", "90m", "--every", "1.5h"), "5400.0 5400.0"),
        (("--every", "90d"), "1209600.0 7776000.0"),
    ],
)
def test_a_length_of_time_is_a_number_of_seconds(words: tuple[str, ...], said: str) -> None:
    assert CliRunner().invoke(told, words, catch_exceptions=False).output == f"{said}\n"


@pytest.mark.parametrize("text", ["soon", "10", "-1s", ".5s", "1 h", "1h30m", "", "1e9s", "1234567d"])
def test_what_is_no_length_of_time_is_refused_with_an_example(text: str) -> None:
    for option in ("--since", "--every"):
        done = CliRunner().invoke(told, [f"{option}={text}"])
        assert (done.exit_code, f"{text!r} is no length of time: a number with s, m, h, d or w" in done.output) == (
            2,
            True,
        )


@pytest.mark.parametrize(
    "words",
    [
        ("replica", "--every", "0s"),
        ("token", "create", "--index", "main", "--right", "read", "--expires", "0.0d"),
    ],
)
def test_a_clock_that_never_waits_and_a_token_that_never_counts_are_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(click.BadParameter, match="is no time at all"):
        CliRunner().invoke(cli, words, standalone_mode=False, catch_exceptions=False)


@pytest.mark.parametrize(
    "words", [("serve",), ("proxy", "--index", "main", "--to", "https://packages.example/simple/")]
)
def test_a_key_without_its_certificate_is_refused(words: tuple[str, ...]) -> None:
    with pytest.raises(click.UsageError, match="say --certfile too"):
        CliRunner().invoke(cli, [*words, "--keyfile", __file__], standalone_mode=False, catch_exceptions=False)
