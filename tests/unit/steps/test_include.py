"""Files put into a wheel before its repair: what the script collects, and what becomes of the wheel."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import subprocess
import sys
import zipfile
from base64 import urlsafe_b64decode
from collections.abc import Mapping
from pathlib import Path

import pytest

from buildfarm.model.errors import StepFailed
from buildfarm.model.job import BuildJob, BuildPart, Environment, SourcePin
from buildfarm.model.recipe import Include, Repair
from buildfarm.model.session import Layout
from buildfarm.model.target import Target
from buildfarm.model.wheel import Artifact
from buildfarm.steps import include
from buildfarm.steps.repack import LARGEST

TARGET = Target(abi="cp311", platform="manylinux_2_31_x86_64")
GLOB = "/usr/lib/*/soil3/plugin/*.so"


def job(*globs: str, image: str = "") -> BuildJob:
    return BuildJob(
        project="farm",
        version="1.0",
        target=TARGET,
        source=SourcePin(artifact=Artifact(name="farm-1.0.tar.gz", size=1, sha256="a" * 64), origin="", epoch=1 << 30),
        environment=Environment(name="here", lane="l", target=TARGET, definition={}, test_definition={}, image=image),
        part=BuildPart(repair=Repair(include=tuple(Include(source=glob, to="farm/plugin/") for glob in globs))),
    )


def collect(root: Path, made: BuildJob, system: Path | None = None) -> tuple[Mapping[str, bytes], bytes]:
    """Run the script as a session would; the files by path below the folder that it fills, and its answer."""
    layout = Layout.at(str(root), python=sys.executable, tools={})
    for folder in (layout.source, layout.work, layout.scripts):
        Path(folder).mkdir(parents=True, exist_ok=True)
    Path(layout.scripts, "include.py").write_bytes(include.script())
    Path(layout.work, "include-request.json").write_bytes(include.request(made, layout))
    command = include.collect(layout)
    env = {"BUILDFARM_SYSTEM": str(system / "usr")} if system else {}
    subprocess.run([sys.executable, *command.argv[1:]], cwd=command.cwd, env=env, check=True)
    into = Path(layout.work, "include")
    found = {str(path.relative_to(into)): path.read_bytes() for path in into.rglob("*") if path.is_file()}
    return found, Path(layout.work, "include.json").read_bytes()


def chosen(made: BuildJob, files: Mapping[str, bytes], answer: bytes) -> tuple[Mapping[str, Artifact], frozenset[str]]:
    return include.chosen(made, answer, {path: kept(path, body) for path, body in files.items()})


def kept(path: str, body: bytes) -> Artifact:
    return Artifact(name=path.rpartition("/")[2], size=len(body), sha256=hashlib.sha256(body).hexdigest())


def plugins(folder: Path) -> Path:
    """A system with two plug-ins, one of them a link, and what is none."""
    there = folder / "usr/lib/x86_64-linux-gnu/soil3/plugin"
    (there / "folder.so").mkdir(parents=True)
    (there / "clay.so.1").write_bytes(b"clay")
    (there / "clay.so").symlink_to("clay.so.1")
    (there / "sand.so").write_bytes(b"sand")
    (there / "sand.so").chmod(0o755)
    return folder


def wheel(*names: str) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as packed:
        for name in ("farm/__init__.py", *names, "farm-1.0.dist-info/RECORD"):
            packed.writestr(zipfile.ZipInfo(name), b"")
    return made


def test_unpacked_packages_are_what_an_absolute_glob_is_over(tmp_path: Path) -> None:
    made = job(GLOB)
    files, answer = collect(tmp_path / "session", made, plugins(tmp_path / "system"))
    assert files == {"0/clay.so": b"clay", "0/sand.so": b"sand"}
    members, executable = chosen(made, files, answer)
    assert {member: each.sha256 for member, each in members.items()} == {
        "farm/plugin/clay.so": hashlib.sha256(b"clay").hexdigest(),
        "farm/plugin/sand.so": hashlib.sha256(b"sand").hexdigest(),
    }
    assert executable == {"farm/plugin/sand.so"}


def test_in_an_image_it_is_over_the_image_and_else_never_over_the_machine(tmp_path: Path) -> None:
    plugins(tmp_path / "image")
    glob = f"{tmp_path}/image{GLOB}"
    assert collect(tmp_path / "a", job(glob, image="debian11"))[0].keys() == {"0/clay.so", "0/sand.so"}
    assert collect(tmp_path / "b", job(glob))[0] == {}


def test_a_relative_glob_is_over_the_source(tmp_path: Path) -> None:
    (tmp_path / "source/built").mkdir(parents=True)
    (tmp_path / "source/built/a.so").write_bytes(b"a")
    files, answer = collect(tmp_path, job("built/*.so", "built/a.*"))
    assert files == {"0/a.so": b"a", "1/a.so": b"a"}
    with pytest.raises(StepFailed, match=r"two files of repair\.include would be farm/plugin/a\.so"):
        chosen(job("built/*.so", "built/a.*"), files, answer)


@pytest.mark.parametrize(
    ("made", "advice"),
    [
        (job(GLOB), "name the package that has it under system:"),
        (job(GLOB, image="debian11"), "over the files of the image"),
        (job("built/*.so"), "over the files of the source"),
    ],
)
def test_a_glob_that_matches_nothing_fails_with_what_would_help(tmp_path: Path, made: BuildJob, advice: str) -> None:
    with pytest.raises(StepFailed) as failed:
        chosen(made, *collect(tmp_path, made))
    assert failed.value.reason.code == "include"
    assert f"no file matches {made.part.repair.include[0].source}" in failed.value.reason.message
    assert advice in failed.value.reason.advice


def test_the_wheel_has_them_in_its_record_and_with_their_modes() -> None:
    bodies = {"farm/plugin/clay.so": b"clay", "farm/plugin/sand.so": b"sand"}
    stored = {hashlib.sha256(body).hexdigest(): body for body in bodies.values()}
    files = {member: kept(member, body) for member, body in bodies.items()}
    packs = [
        include.included(job(GLOB), wheel(), files, {"farm/plugin/sand.so"}, lambda sha256: io.BytesIO(stored[sha256]))
        for _ in range(2)
    ]
    assert packs[0] == packs[1]
    with zipfile.ZipFile(io.BytesIO(packs[0])) as packed:
        assert {name: packed.read(name) for name in bodies} == bodies
        modes = {name: packed.getinfo(name).external_attr >> 16 & 0o777 for name in bodies}
        rows = list(csv.reader(packed.read("farm-1.0.dist-info/RECORD").decode().splitlines()))
        assert {path for path, _, _ in rows} == set(packed.namelist())
    assert modes == {"farm/plugin/clay.so": 0o644, "farm/plugin/sand.so": 0o755}
    (digest,) = (digest for path, digest, _ in rows if path == "farm/plugin/clay.so")
    assert urlsafe_b64decode(digest.removeprefix("sha256=") + "=") == hashlib.sha256(b"clay").digest()


def test_a_member_of_the_wheel_is_not_written_over() -> None:
    files = {"farm/plugin/clay.so": kept("clay.so", b"clay")}
    with pytest.raises(StepFailed, match=r"the wheel has farm/plugin/clay\.so already"):
        include.included(job(GLOB), wheel("farm/plugin/clay.so"), files, (), lambda _: io.BytesIO(b"clay"))


def test_a_wheel_that_would_unpack_to_too_much_is_refused_before_a_file_is_read() -> None:
    files = {"farm/plugin/clay.so": Artifact(name="clay.so", size=LARGEST - 1, sha256="a" * 64)}
    more = wheel()
    with zipfile.ZipFile(more, "a") as packed:
        packed.writestr("farm/two", b"12")
    with pytest.raises(StepFailed, match=r"with the files of repair\.include the wheel would unpack to 2"):
        include.included(job(GLOB), more, files, (), lambda _: pytest.fail("it was read"))


@pytest.mark.parametrize("content", [b"", b"no zip file", wheel().getvalue()[:-30]])
def test_what_is_no_wheel_is_refused(content: bytes) -> None:
    with pytest.raises(StepFailed, match="the wheel that was built"):
        include.included(job(GLOB), io.BytesIO(content), {}, (), lambda _: io.BytesIO())


@pytest.mark.parametrize("answer", [{"found": [1]}, {"found": "x"}, [], {}])
def test_an_answer_of_a_stranger_names_nothing(answer: object) -> None:
    with pytest.raises(StepFailed):
        include.chosen(job(GLOB), json.dumps(answer).encode(), {})


def test_what_is_said_and_was_not_taken_is_not_there() -> None:
    with pytest.raises(StepFailed, match="no file matches"):
        include.chosen(job(GLOB), json.dumps({"found": ["0/a.so"], "executable": []}).encode(), {})
