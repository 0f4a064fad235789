from __future__ import annotations

from pathlib import Path

import pytest

from buildfarm.adapters.memory import MemoryResolver, MemoryStore
from buildfarm.adapters.pinned_table import PinnedTable
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.job import Environment, Lock
from buildfarm.model.origin import Offer
from buildfarm.model.target import Target

SHIPPED = Path(__file__).parents[3] / "images" / "python27.txt"


def environment(target: str) -> Environment:
    return Environment(name="here", lane="here", target=Target.parse(target), definition={}, test_definition={})


OLD = environment("cp27mu-manylinux_2_17_x86_64")
TABLE = f"""
# a comment
setuptools==44.1.1 --hash=sha256:{"4" * 64}

Mark.Up_Safe==1.1.1 --hash=sha256:{"1" * 64}
"""
OFFERS = {
    "setuptools": (
        Offer(filename="setuptools-44.1.1.zip", origin="https://index.invalid/s.zip", sha256="4" * 64),
        Offer(filename="setuptools-45.0.0-py3-none-any.whl", origin="https://index.invalid/new", sha256=""),
        Offer(filename="setuptools-44.1.1-py2.py3-none-any.whl", origin="https://index.invalid/s", size=7),
    ),
    "mark-up-safe": (
        Offer(filename="mark_up_safe-1.1.1-cp27-cp27m-manylinux1_x86_64.whl", origin="https://index.invalid/m"),
        Offer(filename="mark_up_safe-1.1.1-cp27-cp27mu-manylinux1_x86_64.whl", origin="/mu", sha256="2" * 64),
        Offer(filename="mark_up_safe-1.1.1-cp27-cp27mu-manylinux2010_x86_64.whl", origin="/mu", sha256="1" * 64),
    ),
}


class Index:
    def offers(self, project: str) -> tuple[Offer, ...]:
        return OFFERS.get(project, ())


class Others(MemoryResolver):
    def lock(self, *_: object) -> Lock:
        raise LookupError("the others were asked")


def table(folder: Path, text: str = TABLE, *places: Index) -> PinnedTable:
    file = folder / "python27.txt"
    file.write_text(text, encoding="utf-8")
    return PinnedTable(file, places=places or (Index(),), others=Others({}, MemoryStore()))


def test_exactly_the_wheel_of_the_table(tmp_path: Path) -> None:
    found = table(tmp_path).lock(["setuptools>=40.8.0", "mark-up-safe", "setuptools"], OLD, "main")
    assert [(each.artifact.name, each.artifact.sha256, each.origin) for each in found.wheels] == [
        ("mark_up_safe-1.1.1-cp27-cp27mu-manylinux2010_x86_64.whl", "1" * 64, "/mu"),
        ("setuptools-44.1.1-py2.py3-none-any.whl", "4" * 64, "https://index.invalid/s"),
    ]


def test_markers_are_those_of_python_2(tmp_path: Path) -> None:
    wanted = ["setuptools; python_version < '3'", "tomli; python_version >= '3'", "wheel; extra == 'old'"]
    found = table(tmp_path).lock(wanted, OLD, "main")
    assert [each.project for each in found.wheels] == ["setuptools"]


def test_everything_that_is_not_there_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(Unavailable) as raised:
        table(tmp_path).lock(["setuptools>=61", "Cython<3", "mark-up-safe"], OLD, "main")
    reason = raised.value.reason
    assert reason.code == "requirements"
    assert reason.message.endswith("names can be had, and not setuptools>=61 (it names 44.1.1), Cython")
    assert f"{tmp_path}/python27.txt" in reason.advice


def test_a_wheel_that_no_index_has(tmp_path: Path) -> None:
    with pytest.raises(Unavailable, match=r"mark-up-safe 1\.1\.2: no index has it with that sha256"):
        table(tmp_path, f"mark-up-safe==1.1.2 --hash=sha256:{'1' * 64}\n").lock(["mark-up-safe"], OLD, "main")


@pytest.mark.parametrize("line", ["setuptools", "setuptools==44.1.1", "setuptools>=44 --hash=sha256:" + "4" * 64])
def test_a_row_without_its_hash_is_refused(tmp_path: Path, line: str) -> None:
    with pytest.raises(FarmError, match=r"python27\.txt:2: 'setuptools.*NAME==VERSION --hash=sha256:HEX"):
        table(tmp_path, f"# rows\n{line}\n").lock(["setuptools"], OLD, "main")


def test_other_pythons_are_not_its_business(tmp_path: Path) -> None:
    with pytest.raises(LookupError):
        table(tmp_path).lock(["setuptools"], environment("cp313-manylinux_2_17_x86_64"), "main")


def test_the_shipped_table_has_what_installs_and_builds(tmp_path: Path) -> None:
    found = PinnedTable(SHIPPED, places=(), others=Others({}, MemoryStore()))
    with pytest.raises(Unavailable, match=r"and not pip 20\.3\.4: no index has it"):  # so all of them are rows
        found.lock(["pip", "virtualenv", "setuptools>=40.8.0", "wheel"], OLD, "main")
