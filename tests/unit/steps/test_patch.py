from __future__ import annotations

import io
import shutil
import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from buildfarm.model.errors import StepFailed
from buildfarm.model.outcome import Step
from buildfarm.steps.entry import Entry
from buildfarm.steps.patch import patched

Files = dict[str, bytes]


def entry(path: str, content: bytes, *, executable: bool = False) -> Entry:
    return Entry(
        path=path,
        kind="file",
        size=len(content),
        executable=executable,
        mtime=1_000_000_000,
        opener=lambda: io.BytesIO(content),
    )


def apply(files: Files, *patches: bytes) -> Files:
    named = ((f"{number}.patch", each) for number, each in enumerate(patches, 1))
    found = patched([entry(*each) for each in files.items()], named)
    return {each.path: each.open().read() for each in found}


def refusal(files: Files, patch: bytes) -> str:
    with pytest.raises(StepFailed) as caught:
        apply(files, patch)
    assert (caught.value.step, caught.value.reason.code) == (Step.BUILD, "patch")
    assert caught.value.reason.advice
    return caught.value.reason.message


SETUP: Files = {"setup.py": b"one\ntwo\nthree\nfour\n"}
CHANGE = b"--- a/setup.py\n+++ b/setup.py\n@@ -1,3 +1,3 @@\n one\n-two\n+TWO\n three\n"


def test_a_hunk_changes_a_file_that_is_then_the_youngest() -> None:
    (found,) = patched([entry("setup.py", SETUP["setup.py"], executable=True)], [("fix.patch", CHANGE)])
    assert (found.open().read(), found.size) == (b"one\nTWO\nthree\nfour\n", 19)
    assert (found.executable, found.mtime) == (True, 1_000_000_001)


def test_patches_are_applied_in_order() -> None:
    second = b"--- a/setup.py\n+++ b/setup.py\n@@ -2 +2 @@\n-TWO\n+2\n"
    assert apply(SETUP, CHANGE, second) == {"setup.py": b"one\n2\nthree\nfour\n"}


def test_paths_without_a_first_folder_are_taken_as_they_are() -> None:
    assert apply(SETUP, CHANGE.replace(b"a/", b"").replace(b"b/", b"")) == {"setup.py": b"one\nTWO\nthree\nfour\n"}


def test_a_hunk_may_stand_elsewhere_but_not_be_fuzzy() -> None:
    assert apply({"setup.py": b"0\n" * 50 + SETUP["setup.py"]}, CHANGE)["setup.py"].endswith(
        b"0\none\nTWO\nthree\nfour\n"
    )
    assert "hunk 1" in refusal({"setup.py": b"one\ntwo\n3\n"}, CHANGE)


@pytest.mark.parametrize("patch", [CHANGE, CHANGE.replace(b"\n", b"\r\n")])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"])
def test_lines_end_as_those_of_the_file(patch: bytes, end: bytes) -> None:
    files = {"setup.py": SETUP["setup.py"].replace(b"\n", end)}
    assert apply(files, patch) == {"setup.py": b"one\nTWO\nthree\nfour\n".replace(b"\n", end)}


def test_files_come_go_and_move() -> None:
    patch = (
        b"From: somebody\nSubject: what it is for\n---\n 3 files changed\n\n"
        b"diff --git a/old.py b/new/place.py\nsimilarity index 60%\nrename from old.py\nrename to new/place.py\n"
        b"--- a/old.py\n+++ b/new/place.py\n@@ -1,2 +1,2 @@\n a\n-b\n+c\n"
        b"diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n"
        b"diff --git a/run b/run\nnew file mode 100755\n--- /dev/null\n+++ b/run\n@@ -0,0 +1 @@\n+#!\n"
        b"\\ No newline at end of file\n"
        b"diff --git a/empty b/empty\nnew file mode 100644\nindex 0000000..e69de29\n"
        b"diff --git a/tool b/tool\nold mode 100644\nnew mode 100755\n"
        b"-- \n2.39.5\n"
    )
    files = {"old.py": b"a\nb\n", "gone": b"x\n", "tool": b"t"}
    found = {each.path: each for each in patched([entry(*each) for each in files.items()], [("p", patch)])}
    assert {path: each.open().read() for path, each in found.items()} == {
        "tool": b"t",
        "new/place.py": b"a\nc\n",
        "run": b"#!",
        "empty": b"",
    }
    assert [path for path, each in found.items() if each.executable] == ["run", "tool"]


def test_what_diff_writes_without_git_is_understood() -> None:
    patch = (
        b"diff -Naur p-1.0/new.txt p/new.txt\n"
        b"--- p-1.0/new.txt\t1970-01-01 00:00:00.000000000 +0000\n+++ p/new.txt\t2024-05-01 10:00:00 +0000\n"
        b"@@ -0,0 +1 @@\n+n\n"
    )
    assert apply(SETUP, patch) == {**SETUP, "new.txt": b"n\n"}


def test_a_quoted_name_is_read() -> None:
    patch = b'--- "a/\\303\\251.txt"\n+++ "b/\\303\\251.txt"\n@@ -1 +1 @@\n-a\n+b\n'
    assert apply({"é.txt": b"a\n"}, patch) == {"é.txt": b"b\n"}


def test_a_hunk_that_does_not_fit_is_named_and_quoted() -> None:
    said = refusal({"setup.py": b"one\nzwei\nthree\n"}, CHANGE)
    assert said == "1.patch hunk 1 (line 3) does not fit setup.py: at line 2 it expects 'two', and there is 'zwei'"


@pytest.mark.parametrize(
    ("patch", "says"),
    [
        (b"--- /dev/null\n+++ b/../x\n@@ -0,0 +1 @@\n+x\n", "leads out"),
        (b"--- /dev/null\n+++ b//etc/x\n@@ -0,0 +1 @@\n+x\n", "not relative"),
        (b"--- /dev/null\n+++ b/SETUP.py\n@@ -0,0 +1 @@\n+x\n", "one name"),
        (CHANGE.replace(b"setup.py", b"absent.py"), "changes 'absent.py' (line 1), which the source does not have"),
        (CHANGE.replace(b" one\n-two\n+TWO\n three\n", b" one\n-TWO\n+two\n three\n"), "is there already"),
        (CHANGE[:-7], "cut or damaged"),
        (b"nothing\n", "holds no unified diff"),
        (b"--- /dev/null\n+++ b/setup.py\n@@ -0,0 +1 @@\n+x\n", "makes 'setup.py' (line 1), which is there already"),
        (b"diff --git a/x b/x\nnew file mode 120000\n--- /dev/null\n+++ b/x\n@@ -0,0 +1 @@\n+/etc\n", "makes a link"),
        (b"diff --git a/x.png b/x.png\nBinary files a/x.png and b/x.png differ\n", "binary file 'x.png'"),
        (b"--- a/setup.py\n+++ /dev/null\n@@ -1 +0,0 @@\n-one\n", "would leave 15 bytes"),
    ],
)
def test_what_cannot_be_done_is_refused(patch: bytes, says: str) -> None:
    assert says in refusal(SETUP, patch)


def test_no_file_is_made_below_a_link() -> None:
    link = Entry(path="l", kind="link", target="setup.py")
    with pytest.raises(StepFailed, match="twice"):
        list(patched([link], [("p", b"--- /dev/null\n+++ b/l/x\n@@ -0,0 +1 @@\n+x\n")]))


lines = st.lists(st.sampled_from([b"a", b"b", b"c", b"", b"-x", b"+y", b"--- z", b"\xff\x0c"]), max_size=12)
texts = st.builds(lambda some, end: b"\n".join(some) + end, lines, st.sampled_from([b"", b"\n"]))


@pytest.mark.skipif(shutil.which("diff") is None, reason="no diff on this machine")
@settings(max_examples=40, deadline=None)
@given(texts, texts, st.integers(0, 3))
def test_what_diff_tells_apart_is_put_together(old: bytes, new: bytes, context: int) -> None:
    with TemporaryDirectory() as folder:
        for name, content in (("a", old), ("b", new)):
            Path(folder, name).mkdir()
            Path(folder, name, "f").write_bytes(content)
        done = subprocess.run(["diff", f"-aU{context}", "a/f", "b/f"], cwd=folder, capture_output=True, check=False)
    if old != new:
        assert apply({"f": old}, done.stdout) == {"f": new}
