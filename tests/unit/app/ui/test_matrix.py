from __future__ import annotations

from buildfarm.app.ui.matrix import Cell, Column, in_order, matrix
from buildfarm.model.events import FilePublished, Tried
from buildfarm.model.wheel import Artifact, Verdict
from buildfarm.pages.project import File

LINUX = "manylinux_2_17_x86_64"


def file(name: str, version: str, *tried: Tried, yanked: str | None = None) -> File:
    published = FilePublished(
        project="demo",
        version=version,
        artifact=Artifact(name=name, size=1, sha256="0" * 64),
        metadata_sha256="",
        uploaded="2026-01-01T00:00:00Z",
        tried=tried,
    )
    return File(index="main", published=published, yanked=yanked)


def passed(target: str) -> Tried:
    return Tried(target=target, verdict=Verdict.PASSED)


def test_a_cell_says_what_was_tested_where_and_why_not() -> None:
    found = matrix(
        [
            file(f"demo-1.0-cp39-cp39-{LINUX}.whl", "1.0", passed(f"cp39-{LINUX}")),
            file("demo-2.0-py3-none-any.whl", "2.0", passed(f"cp39-{LINUX}"), passed(f"cp310-{LINUX}")),
            file(
                "demo-2.0-cp39-cp39-musllinux_1_2_x86_64.whl",
                "2.0",
                Tried(target="cp39-musllinux_1_2_x86_64", verdict=Verdict.SKIPPED, reason="no server"),
            ),
            file("demo-2.0.tar.gz", "2.0"),
        ]
    )
    assert [(each.platform, each.python) for each in found.columns] == [
        (LINUX, "cp39"),
        (LINUX, "cp310"),
        ("musllinux_1_2_x86_64", "cp39"),
        ("source", "sdist"),
    ]
    assert found.platforms == ((LINUX, 2), ("musllinux_1_2_x86_64", 1), ("source", 1))
    assert [row.version for row in found.rows] == ["2.0", "1.0"]
    assert [[cell.state for cell in row.cells] for row in found.rows] == [
        ["passed", "passed", "skipped", "file"],
        ["passed", "none", "none", "none"],
    ]
    assert found.rows[0].cells[2] == Cell(state="skipped", reason="no server")


def test_what_int_cannot_read_is_no_number() -> None:
    targets = tuple(passed(f"cp{each}-{LINUX}") for each in ("\N{SUPERSCRIPT TWO}", "10", "9"))
    found = matrix([file("demo-1.0-py3-none-any.whl", "1.0", *targets)])
    assert [each.python for each in found.columns] == ["cp9", "cp10", "cp\N{SUPERSCRIPT TWO}"]


def test_what_was_not_tested_stands_under_its_own_tags() -> None:
    (column,) = matrix([file("demo-1.0-cp39-abi3-manylinux2014_x86_64.manylinux_2_17_x86_64.whl", "1.0")]).columns
    assert column == Column(platform=LINUX, python="cp39")


def test_what_is_said_of_a_file_and_not_of_a_target_stands_there_too() -> None:
    sdist = file("demo-1.0.tar.gz", "1.0", Tried(target="*", verdict=Verdict.SKIPPED, reason="its wheel counts"))
    found = matrix([sdist])
    assert found.columns == (Column(platform="source", python="sdist"),)
    assert found.rows[0].cells == (Cell(state="skipped", reason="its wheel counts"),)


def test_what_is_yanked_counts_only_where_nothing_else_is_there() -> None:
    target = f"cp39-{LINUX}"
    old = file(f"demo-1.0-cp39-cp39-{LINUX}.whl", "1.0", passed(target), yanked="superseded")
    skipped = Tried(target=target, verdict=Verdict.SKIPPED, reason="why")
    new = file(f"demo-1.0-1-cp39-cp39-{LINUX}.whl", "1.0", skipped)
    assert matrix([old, new]).rows[0].cells[0].state == "skipped"
    assert not matrix([old, new]).rows[0].yanked
    assert matrix([old]).rows[0].cells[0].state == "passed"
    assert matrix([old]).rows[0].yanked


def test_names_are_in_the_order_of_their_numbers() -> None:
    names = [f"demo-1.0-{tag}-{tag}-{LINUX}.whl" for tag in ("cp310", "cp39", "cp313", "cp312")]
    assert [each.name.split("-")[2] for each in in_order(file(name, "1.0") for name in names)] == [
        "cp39",
        "cp310",
        "cp312",
        "cp313",
    ]
