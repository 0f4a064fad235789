from __future__ import annotations

import pytest

from buildfarm.model.events import FileDeleted, FilePublished, IndexEvent, NameGivenUp, Payload, ProjectMarked, Status
from buildfarm.model.index import Index, IndexClass
from buildfarm.model.wheel import Artifact
from buildfarm.pages.project import Project, fold, held, merged

DEV, BASE = Index(name="company/dev", bases=("company/base",)), Index(name="company/base")
MIRROR = Index(name="mirror", kind=IndexClass.MIRROR)


def published(version: str, digit: str = "0") -> FilePublished:
    return FilePublished(
        project="demo",
        version=version,
        artifact=Artifact(name=f"demo-{version}-py3-none-any.whl", size=1, sha256=digit * 64),
        metadata_sha256="",
        uploaded="2026-01-02T03:04:05Z",
    )


def of(index: Index, *payloads: Payload) -> tuple[Index, Project | None]:
    events = [IndexEvent(serial=serial, index=index.name, payload=payload) for serial, payload in enumerate(payloads)]
    return index, fold(events).get("demo")


def shown(*layers: tuple[Index, Project | None]) -> list[tuple[str, str, str]]:
    files = merged("demo", layers).files
    return [(file.version, file.index, file.published.artifact.sha256[0]) for file in files]


def test_versions_of_all_layers_are_merged_and_of_one_name_the_nearest_counts() -> None:
    near, far = of(DEV, published("2.0", "1"), published("1.0", "1")), of(BASE, published("1.0", "2"), published("3.0"))
    assert shown(near, far) == [
        ("1.0", "company/dev", "1"),
        ("2.0", "company/dev", "1"),
        ("3.0", "company/base", "0"),
    ]
    assert shown(far, near)[0] == ("1.0", "company/base", "2")
    assert shown(of(DEV), far) == shown(far)


def test_what_an_internal_index_has_is_never_answered_from_a_mirror() -> None:
    outside = of(MIRROR, published("9.0"))
    assert shown(of(DEV), of(BASE), outside) == [("9.0", "mirror", "0")]
    for layers in ((of(BASE, published("1.0")), outside), (outside, of(BASE, published("1.0")))):
        assert shown(*layers) == [("1.0", "company/base", "0")]


GONE = FileDeleted(project="demo", filename="demo-1.0-py3-none-any.whl")
GIVEN_UP = NameGivenUp(project="demo")


@pytest.mark.parametrize(
    ("payloads", "holds"),
    [
        ([], False),
        ([published("1.0"), GONE], True),
        ([published("1.0"), GONE, GIVEN_UP], False),
        ([published("1.0"), GONE, GIVEN_UP, published("1.0"), GONE], True),
        ([published("1.0"), GIVEN_UP], True),
        ([ProjectMarked(project="demo", status=Status.ARCHIVED)], True),
        ([GIVEN_UP, GONE], False),
    ],
)
@pytest.mark.parametrize("index", ["company/base", "company/base/+pending"])
def test_a_name_is_held_without_files_until_it_is_given_up(index: str, payloads: list[Payload], holds: bool) -> None:
    events = [IndexEvent(serial=serial, index=index, payload=each) for serial, each in enumerate(payloads)]
    own = held(events).get("company/base", {})
    assert ("demo" in own) is holds
    outside = of(MIRROR, published("9.0"))
    files = merged("demo", [(BASE, own.get("demo")), outside]).files
    assert any(each.index == "mirror" for each in files) is not holds


@pytest.mark.parametrize("layers", [1, 2])
def test_of_a_quarantined_layer_nothing_is_offered(layers: int) -> None:
    bad = of(BASE, published("1.0"), ProjectMarked(project="demo", status=Status.QUARANTINED, reason="malware"))
    near = [of(DEV, published("2.0"))] if layers == 2 else []
    project = merged("demo", [*near, bad])
    assert [file.version for file in project.files] == ["2.0"] * len(near)
    assert project.status is (Status.ACTIVE if near else Status.QUARANTINED)


def test_the_nearest_status_counts() -> None:
    old = of(BASE, published("1.0"), ProjectMarked(project="demo", status=Status.ARCHIVED, reason="moved"))
    assert merged("demo", [of(DEV, published("2.0")), old]).status is Status.ARCHIVED
    dead = of(DEV, published("2.0"), ProjectMarked(project="demo", status=Status.DEPRECATED))
    assert merged("demo", [dead, old]).status is Status.DEPRECATED
    assert merged("demo", [dead, old]).serial == 1
