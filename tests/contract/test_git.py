"""What sources in git promise, over repositories on this machine."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from buildfarm.adapters.git_source import GitSources
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import Unavailable
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Progress, no_report

pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="no git on this machine")

WHEN = 1_600_000_000
WHO = {f"GIT_{role}_{what}": f"{what}@x" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
ENVIRON = {
    **os.environ,
    **WHO,
    "GIT_COMMITTER_DATE": f"{WHEN} +0000",
    "GIT_AUTHOR_DATE": f"{WHEN} +0000",
    "GIT_CONFIG_GLOBAL": "/dev/null",
}


def git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "protocol.file.allow=always", "-C", str(folder), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env=ENVIRON).stdout.strip()


def commit(folder: Path, files: Mapping[str, str] | None = None) -> str:
    if not folder.exists():
        folder.mkdir()
        git(folder, "init", "--quiet")
    for name, text in (files or {}).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "x")
    return git(folder, "rev-parse", "HEAD")


class Site:
    """Repositories below ``folder``, and what a coordinator makes of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.store = LocalStore(folder / "store")
        self.git = self.coordinator("git")

    def coordinator(self, cache: str) -> GitSources:
        def report(progress: Progress) -> None:
            self.said.append(progress.message)

        return GitSources(self.folder / cache, ENVIRON, report)

    def pack(self, repository: str, commit: str) -> Artifact:
        return self.git.pack(f"git+file://{self.folder}/{repository}@{commit}", "a-1.0.tar.gz", self.store)

    @property
    def copy(self) -> Path:
        """The one repository of the coordinator."""
        (copy,) = (path for path in (self.folder / "git").iterdir() if path.is_dir())
        return copy

    def members(self, artifact: Artifact) -> dict[str, tarfile.TarInfo]:
        with self.store.open(artifact.sha256) as content, tarfile.open(fileobj=content) as archive:
            return {member.name.removeprefix("a-1.0/"): member for member in archive}

    def refusal(self, repository: str, commit: str) -> str:
        with pytest.raises(Unavailable) as caught:
            self.pack(repository, commit)
        assert caught.value.reason.code == "git"
        assert caught.value.reason.advice
        return str(caught.value)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    return Site(tmp_path)


def test_a_commit_is_packed_the_same_everywhere(site: Site) -> None:
    first = commit(site.folder / "a", {"setup.py": "one", "b/c.txt": "x" * 5000, ".gitattributes": "b export-ignore"})
    (site.folder / "a" / "setup.py").chmod(0o755)
    (site.folder / "a" / "l").symlink_to("b/c.txt")
    second = commit(site.folder / "a")
    packed = site.pack("a", second)
    members = site.members(packed)
    assert list(members) == [".gitattributes", "b/c.txt", "l", "setup.py"]
    assert {each.mtime for each in members.values()} == {WHEN}
    assert (members["setup.py"].mode, members["b/c.txt"].mode, members["l"].linkname) == (0o755, 0o644, "b/c.txt")
    assert site.members(site.pack("a", first))["setup.py"].mode == 0o644
    site.git = site.coordinator("another")
    assert site.pack("a", second) == packed


def test_what_was_fetched_once_needs_no_server(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    packed = site.pack("a", found)
    shutil.rmtree(site.folder / "a")
    site.store = LocalStore(site.folder / "another")
    assert site.pack("a", found) == packed
    assert site.members(packed)


def test_what_was_packed_once_is_not_packed_again(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    packed = site.pack("a", found)
    for gone in (site.copy, site.folder / "a"):
        shutil.rmtree(gone)
    assert site.pack("a", found) == packed


def damaged_init(site: Site, later: str) -> None:
    copy = site.copy
    shutil.rmtree(copy)
    copy.mkdir()
    (copy / "HEAD").write_text("ref: refs/heads/master\n")


def init_aside(site: Site, later: str) -> None:
    site.copy.rename(site.copy.with_suffix(".new"))


def locked_ref(site: Site, later: str) -> None:
    (site.copy / "refs/buildfarm").mkdir(exist_ok=True)
    (site.copy / f"refs/buildfarm/{later}.lock").touch()


def locked_grafts(site: Site, later: str) -> None:
    (site.copy / "shallow.lock").touch()


@pytest.mark.parametrize("leave", [damaged_init, init_aside, locked_ref, locked_grafts])
def test_what_a_killed_git_leaves_is_mended(leave: Callable[[Site, str], None], site: Site) -> None:
    site.pack("a", commit(site.folder / "a", {"setup.py": "one"}))
    later = commit(site.folder / "a", {"setup.py": "later"})
    leave(site, later)
    assert site.members(site.pack("a", later))["setup.py"].size == 5


def test_a_copy_that_lost_a_part_gives_no_smaller_archive(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": "", "b/c": ""})
    site.pack("a", found)
    lost = git(site.folder / "a", "rev-parse", f"{found}:b")
    (site.copy / "objects" / lost[:2] / lost[2:]).unlink()
    site.store = LocalStore(site.folder / "another")
    assert "git ls-tree of its copy here ended with" in site.refusal("a", found)


def test_a_copy_that_nobody_used_for_long_is_removed(site: Site) -> None:
    first, second = (commit(site.folder / name, {"setup.py": ""}) for name in ("a", "b"))
    site.pack("a", first)
    unused = site.copy
    long_ago = time.time() - 100 * 86400
    os.utime(unused.with_suffix(".lock"), (long_ago, long_ago))
    site.pack("b", second)
    assert not unused.exists()
    assert site.copy.is_dir()


def test_a_server_that_gives_no_single_commit_gives_all(site: Site) -> None:
    first = commit(site.folder / "a", {"setup.py": "one"})
    commit(site.folder / "a", {"setup.py": "two"})
    old = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "protocol.version", "GIT_CONFIG_VALUE_0": "0"}
    site.git = GitSources(site.folder / "git", {**ENVIRON, **old}, no_report)
    assert site.members(site.pack("a", first))["setup.py"].size == 3


def test_submodules_come_with_their_commits(site: Site) -> None:
    commit(site.folder / "inner", {"i.c": ""})
    commit(site.folder / "outer", {"o.c": ""})
    git(site.folder / "outer", "submodule", "add", "--quiet", "../inner", "vendor/inner")
    commit(site.folder / "outer")
    commit(site.folder / "a", {"setup.py": "", "z": ""})
    git(site.folder / "a", "submodule", "add", "--quiet", "../outer", "deps/outer")
    found = commit(site.folder / "a")
    commit(site.folder / "outer", {"later.c": ""})
    assert [name for name in site.members(site.pack("a", found)) if not name.endswith(".gitmodules")] == [
        "deps/outer/o.c",
        "deps/outer/vendor/inner/i.c",
        "setup.py",
        "z",
    ]


@pytest.mark.parametrize(
    "url", ["-uhttp://x/y", "ext::sh -c touch% /x", "git://x/y", "/etc", "--upload-pack=x", "ssh://-oProxyCommand=x/y"]
)
def test_a_submodule_from_elsewhere_is_refused(url: str, site: Site) -> None:
    inner = commit(site.folder / "inner", {"i.c": ""})
    commit(site.folder / "a", {".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = "{url}"\n'})
    git(site.folder / "a", "update-index", "--add", "--cacheinfo", f"160000,{inner},x")
    git(site.folder / "a", "commit", "--quiet", "--message", "x")
    said = site.refusal("a", git(site.folder / "a", "rev-parse", "HEAD"))
    assert "submodule 'x'" in said
    assert url in said


def test_a_password_of_a_submodule_is_not_said(site: Site) -> None:
    inner = commit(site.folder / "inner", {"i.c": ""})
    commit(site.folder / "a", {".gitmodules": '[submodule "x"]\n\tpath = x\n\turl = "git://me:S3CRET@x/y"\n'})
    git(site.folder / "a", "update-index", "--add", "--cacheinfo", f"160000,{inner},x")
    git(site.folder / "a", "commit", "--quiet", "--message", "x")
    said = site.refusal("a", git(site.folder / "a", "rev-parse", "HEAD"))
    assert "'git://***@x/y'" in said


def test_a_submodule_without_a_url_is_said(site: Site) -> None:
    inner = commit(site.folder / "inner", {"i.c": ""})
    commit(site.folder / "a", {"setup.py": ""})
    git(site.folder / "a", "update-index", "--add", "--cacheinfo", f"160000,{inner},x")
    git(site.folder / "a", "commit", "--quiet", "--message", "x")
    assert "names no URL for its submodule 'x'" in site.refusal("a", git(site.folder / "a", "rev-parse", "HEAD"))


def test_what_is_not_there_is_said(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    assert "has no commit " + "1" * 40 in site.refusal("a", "1" * 40)
    assert "has no commit " + "0" * 40 in site.refusal("a", "0" * 40)
    assert "could not get file://" in site.refusal("absent", found)


def test_a_tag_is_no_commit(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    git(site.folder / "a", "tag", "--annotate", "--message", "x", "v1")
    said = site.refusal("a", git(site.folder / "a", "rev-parse", "v1"))
    assert "is a tag, not a commit" in said
    assert f"the commit that it stands for: {found}" in said


def test_no_hook_runs(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    hooks = site.folder / "template" / "hooks"
    hooks.mkdir(parents=True)
    for name in ("reference-transaction", "post-index-change", "post-checkout"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {site.folder}/ran\n")
        (hooks / name).chmod(0o755)
    environ = {**ENVIRON, "GIT_TEMPLATE_DIR": str(hooks.parent), "GIT_DIR": str(site.folder / "nowhere")}
    site.git = GitSources(site.folder / "git", environ, no_report)
    site.pack("a", found)
    assert not (site.folder / "ran").exists()


def test_pointers_of_git_lfs_are_said(site: Site) -> None:
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 9\n"
    site.pack("a", commit(site.folder / "a", {"setup.py": "", "model.bin": pointer}))
    assert site.said == ["pointers of Git LFS, whose content is not fetched: model.bin (1 in all)"]


def test_no_git_is_said(site: Site) -> None:
    found = commit(site.folder / "a", {"setup.py": ""})
    site.git = GitSources(site.folder / "git", {"PATH": str(site.folder)}, no_report)
    assert "git is not installed on the coordinator" in site.refusal("a", found)
