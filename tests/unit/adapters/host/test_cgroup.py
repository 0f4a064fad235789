"""Control groups by a tree of plain files that looks like the kernel's, of version 1 and of version 2."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import pytest

from buildfarm.adapters.host import cgroup
from buildfarm.adapters.host.cgroup import Held
from buildfarm.model.errors import FarmError
from buildfarm.model.recipe import Limits
from buildfarm.model.session import Ended

LIMITS = Limits(memory=300 << 20, pids=100, cpus=1.5)
V2 = {
    "memory.max": "max",
    "memory.swap.max": "max",
    "memory.oom.group": "0",
    "pids.max": "max",
    "cpu.max": "max 100000",
}
V1 = {"memory.limit_in_bytes": "9", "memory.memsw.limit_in_bytes": "9"}


@dataclass(frozen=True)
class Tree:
    """A fake /proc, and the mounts that it tells of."""

    root: Path

    @property
    def proc(self) -> Path:
        return self.root / "proc"

    def mount(self, kind: str, options: str, own: str) -> Path:
        """The folder of our own group in a hierarchy that is mounted now."""
        at = self.root / (options.replace(",", "-") or "unified")
        folder = at / own.lstrip("/")
        folder.mkdir(parents=True)
        (self.proc / "self").mkdir(parents=True, exist_ok=True)
        with (self.proc / "self/mounts").open("a") as mounts:
            mounts.write(f"{kind} {at} {kind} rw,nosuid{',' if options else ''}{options} 0 0\n")
        with (self.proc / "self/cgroup").open("a") as own_groups:
            own_groups.write(f"{7 if options else 0}:{options}:{own}\n")
        return folder

    def version_2(self, own: str = "/", controllers: str = "cpu memory pids", given: str = "") -> Path:
        folder = self.mount("cgroup2", "", own)
        fill(folder, {"cgroup.controllers": controllers, "cgroup.subtree_control": given, "cgroup.procs": ""})
        return folder


def fill(folder: Path, files: Mapping[str, str]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name).write_text(text)
    return folder


def texts(folder: Path, *names: str) -> list[str]:
    return [(folder / name).read_text() for name in names]


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return Tree(tmp_path)


# ---------------------------------------------------------------------------------------------------- what is ours


def test_nothing_is_found_where_there_are_no_groups(tree: Tree) -> None:
    assert cgroup.find(tree.proc) == ()
    tree.mount("proc", "", "/")
    assert cgroup.find(tree.proc) == ()


def test_the_root_of_each_hierarchy_of_version_1_is_had_for_its_controllers(tree: Tree) -> None:
    both, pids = tree.mount("cgroup", "cpu,cpuacct", "/"), tree.mount("cgroup", "pids", "/")
    tree.mount("cgroup", "name=systemd", "/")
    tree.mount("cgroup", "blkio", "/")
    found = [(parent.folder, parent.version, parent.controllers) for parent in cgroup.find(tree.proc)]
    assert found == [(both, 1, ("cpu", "cpuacct")), (pids, 1, ("pids",))]


def test_what_a_namespace_hides_is_not_had(tree: Tree) -> None:
    tree.mount("cgroup", "pids", "/../../host")
    tree.mount("cgroup", "memory", "/docker/abc").rmdir()
    assert cgroup.find(tree.proc) == ()


@pytest.mark.parametrize("version", [1, 2])
def test_a_group_into_which_somebody_put_root_is_not_roots(
    tree: Tree, version: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = "/supervised/0123"
    folder = tree.version_2(own) if version == 2 else tree.mount("cgroup", "memory", own)
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert cgroup.find(tree.proc) == ()
    try:
        os.setxattr(folder, "user.delegate", b"1")
    except OSError:
        pytest.skip("this file system has no extended attributes")
    assert [parent.folder for parent in cgroup.find(tree.proc)] == [folder]


def test_a_group_of_our_user_is_ours(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tree.version_2("/user.slice/run-1.scope")
    monkeypatch.setattr(os, "geteuid", lambda: 4242)
    assert cgroup.find(tree.proc) == ()
    os.chown(folder, 4242, -1) if os.getuid() == 0 else monkeypatch.undo()
    (parent,) = cgroup.find(tree.proc)
    assert (parent.folder, parent.version, parent.controllers) == (folder, 2, ("cpu", "cpuacct", "memory", "pids"))


def test_a_hierarchy_of_version_2_without_our_controllers_is_left_alone(tree: Tree) -> None:
    tree.version_2(controllers="hugetlb")
    assert cgroup.find(tree.proc) == ()


# ---------------------------------------------------------------------------------------------------- version 2


def test_version_2_alone_moves_into_a_leaf_and_hands_its_controllers_down(tree: Tree) -> None:
    own = tree.version_2()
    fill(own, {"cgroup.procs": f"{os.getpid()}\n"})
    fill(own / "buildfarm-one", V2)
    group = cgroup.make(cgroup.find(tree.proc), "one", LIMITS)
    assert (own / "buildfarm-farm/cgroup.procs").read_text() == str(os.getpid())
    assert (own / "cgroup.subtree_control").read_text() == "+pids", "one write for each; this file keeps the last"
    assert group.words == "limits by cgroup"
    assert group.doors == (f"{own}/buildfarm-one/cgroup.procs",)
    assert texts(own / "buildfarm-one", *V2) == [str(300 << 20), "0", "1", "100", "150000 100000"]


def test_in_its_leaf_it_makes_groups_beside_it(tree: Tree) -> None:
    leaf = tree.version_2("/buildfarm-farm", given="cpu memory pids")
    own = leaf.parent
    fill(own, {"cgroup.controllers": "cpu memory pids", "cgroup.subtree_control": "cpu memory pids"})
    os.setxattr(own, "user.delegate", b"1") if os.getuid() == 0 else None
    fill(own / "buildfarm-one", V2)
    group = cgroup.make(cgroup.find(tree.proc), "one", LIMITS)
    assert group.words == "limits by cgroup"
    assert not (leaf / "buildfarm-farm").exists()


def test_version_2_with_others_inside_is_polled_and_nothing_is_moved(tree: Tree) -> None:
    own = tree.version_2()
    fill(own, {"cgroup.procs": f"{os.getpid()}\n1\n"})
    group = cgroup.make(cgroup.find(tree.proc), "one", LIMITS)
    assert (group.words, group.doors) == ("limits polled", ())
    assert sorted(path.name for path in own.iterdir()) == [
        "cgroup.controllers",
        "cgroup.procs",
        "cgroup.subtree_control",
    ]
    assert (own / "cgroup.subtree_control").read_text() == ""


# ---------------------------------------------------------------------------------------------------- each controller


@pytest.mark.parametrize(
    ("there", "words"),
    [
        ({"memory": V1, "pids": {"pids.max": "max"}}, "limits by cgroup"),
        ({"memory": V1}, "memory by cgroup, processes polled"),
        ({"pids": {"pids.max": "max"}}, "memory polled, processes by cgroup"),
        ({"cpu": {"cpu.cfs_period_us": "", "cpu.cfs_quota_us": ""}}, "limits polled"),
        ({"pids": {}}, "limits polled"),
    ],
)
def test_each_controller_is_had_or_polled(tree: Tree, there: Mapping[str, Mapping[str, str]], words: str) -> None:
    for controller, files in there.items():
        fill(tree.mount("cgroup", controller, "/") / "buildfarm-one", files)
    group = cgroup.make(cgroup.find(tree.proc), "one", LIMITS)
    assert group.words == words
    assert len(group.doors) == sum(1 for files in there.values() if files)


def test_version_1_is_told_all_limits(tree: Tree) -> None:
    memory = fill(tree.mount("cgroup", "memory", "/") / "buildfarm-one", V1)
    cpu = fill(tree.mount("cgroup", "cpu", "/") / "buildfarm-one", {"cpu.cfs_period_us": "", "cpu.cfs_quota_us": ""})
    cgroup.make(cgroup.find(tree.proc), "one", LIMITS)
    assert texts(memory, *V1) == [str(300 << 20)] * 2
    assert texts(cpu, "cpu.cfs_period_us", "cpu.cfs_quota_us") == ["100000", "150000"]


def test_more_processes_than_the_kernel_knows_are_its_most(tree: Tree) -> None:
    pids = fill(tree.mount("cgroup", "pids", "/") / "buildfarm-one", {"pids.max": "max"})
    cgroup.make(cgroup.find(tree.proc), "one", Limits(pids=10**9))
    assert texts(pids, "pids.max") == ["4194304"]


# ---------------------------------------------------------------------------------------------------- what is counted


def counters(version: int, *, ooms: int, refusals: int, seconds: int) -> dict[str, str]:
    memory = {
        1: ("memory.oom_control", f"oom_kill_disable 0\nunder_oom 0\noom_kill {ooms}\n"),
        2: ("memory.events", f"low 0\nhigh 5\nmax 9\noom 3\noom_kill {ooms}\noom_group_kill 0\n"),
    }
    cpu = {
        1: ("cpuacct.usage", f"{seconds}000000000\n"),
        2: ("cpu.stat", f"usage_usec {seconds}000000\nuser_usec 1\nsystem_usec 2\n"),
    }
    peak = {1: "memory.max_usage_in_bytes", 2: "memory.peak"}
    return dict([memory[version], cpu[version], (peak[version], "123456\n"), ("pids.events", f"max {refusals}\n")])


@pytest.mark.parametrize("version", [1, 2])
def test_what_was_before_the_command_is_not_its_own(tmp_path: Path, version: int) -> None:
    fill(tmp_path, counters(version, ooms=2, refusals=3, seconds=40))
    group = cgroup.Group(dict.fromkeys(("memory", "pids", "cpuacct"), tmp_path))
    held = Held(group=group, cpu=10)
    assert (held.breaks(), held.refused(), held.seconds(), group.peak()) == (None, False, 0, 123456)
    fill(tmp_path, counters(version, ooms=2, refusals=4, seconds=50))
    assert (held.breaks(), held.refused(), held.seconds()) == (None, True, 10)
    fill(tmp_path, counters(version, ooms=2, refusals=4, seconds=51))
    assert held.breaks() is Ended.CPU
    fill(tmp_path, counters(version, ooms=3, refusals=4, seconds=51))
    assert held.breaks() is Ended.MEMORY


def test_where_nothing_is_held_nothing_breaks() -> None:
    held = Held(cpu=0)
    assert (held.breaks(), held.refused(), held.group.doors, held.group.words) == (None, False, (), "limits polled")


# ---------------------------------------------------------------------------------------------------- in and out


def test_a_command_enters_by_all_doors_and_becomes_itself(tmp_path: Path) -> None:
    folders = {name: fill(tmp_path / name, {}) for name in ("memory", "pids")}
    argv = cgroup.Group(folders).enter(("sh", "-c", 'echo $$ "$@"', "sh", "a b", "--"))
    said = subprocess.run(argv, capture_output=True, text=True, check=True).stdout.split()
    assert said[1:] == ["a", "b", "--"]
    assert [texts(folder, "cgroup.procs") for folder in folders.values()] == [[said[0] + "\n"]] * 2


def test_a_group_goes_with_those_below_it(tmp_path: Path) -> None:
    (tmp_path / "buildfarm-one/a/b").mkdir(parents=True)
    (tmp_path / "buildfarm-other").mkdir()
    cgroup.remove(tmp_path, "one")
    cgroup.remove(tmp_path, "one")
    assert [path.name for path in tmp_path.iterdir()] == ["buildfarm-other"]


def test_a_group_that_resists_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(tmp_path / "buildfarm-one", {"cgroup.procs": "0\n", "cgroup.kill": "", "pids.max": "100"})
    monkeypatch.setattr(cgroup, "_ROUNDS", 2)
    with pytest.raises(FarmError, match="buildfarm-one cannot be ended"):
        cgroup.remove(tmp_path, "one")
    assert texts(tmp_path / "buildfarm-one", "cgroup.kill", "pids.max") == ["1", "0"]
