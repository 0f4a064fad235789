from __future__ import annotations

import pytest

from buildfarm.farm.refusal import other_bytes, unknown_project, unknown_version
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Reason


def offers(*versions: str, yanked: tuple[str, ...] = ()) -> dict[str, Offer]:
    return {each: Offer(filename=f"demo-{each}.tar.gz", origin="/", yanked=each in yanked) for each in versions}


@pytest.mark.parametrize(
    ("wanted", "there", "named"),
    [
        ("9.9", offers("1.0", "1.10", "1.9"), "It has 1.10, 1.9, 1.0."),
        (
            "1.2.3",
            offers("1.2.2", *(f"{major}.0" for major in range(3, 20))),
            "It has 1.2.2, 19.0, 18.0, 17.0, 16.0 and 13 more.",
        ),
        (">=9", offers("1.0", "2.0", yanked=("2.0",)), "It has 1.0."),
        ("", offers("1.0", yanked=("1.0",)), "It has only yanked ones."),
    ],
)
def test_versions_that_there_are_come_near_ones_first(wanted: str, there: dict[str, Offer], named: str) -> None:
    said = unknown_version("demo", wanted, there).sentence
    assert said == f"upstream has no sdist of demo {wanted or 'that is not yanked'}. {named}"


def test_who_promised_the_hash_is_named() -> None:
    refused = Reason(code="hash", message="demo-1.0.tar.gz has sha256:1, not sha256:2", advice="?")
    assert other_bytes(refused, 'source.sdist."1.0"').sentence == (
        'demo-1.0.tar.gz has sha256:1, not sha256:2, as the recipe says at source.sdist."1.0". If that is mistyped, '
        "take it out and `buildfarm recipe pin` writes the right one; if it was right once, the file changed upstream: "
        "find out why before you take its new hash"
    )
    assert "as the index says. The index, or a proxy" in other_bytes(refused, "").sentence


def test_a_project_that_nobody_knows() -> None:
    assert unknown_project("demo").sentence.startswith("upstream knows no project demo. Is the name right?")
