"""What making images refuses before it begins, and how files get from one image into another."""

from __future__ import annotations

import io
import os
import shlex
import shutil
import subprocess
import tarfile
from importlib.resources import files
from pathlib import Path

import pytest

from buildfarm.adapters.container import making
from buildfarm.adapters.container.making.archive import Archive
from buildfarm.adapters.container.making.scripts import script
from buildfarm.adapters.container.making.taken import content, copied
from buildfarm.adapters.container.registry import heard
from buildfarm.model.canonical import digest
from buildfarm.model.errors import FarmError
from buildfarm.model.image import MAKING
from tests.conftest import cannot


def test_all_that_is_missing_is_told_at_once(tmp_path: Path) -> None:
    with pytest.raises(FarmError) as caught:
        Archive(home=tmp_path, environ={"PATH": str(tmp_path)}).demand()
    said = str(caught.value).splitlines()
    assert "mmdebstrap is not installed: `apt-get install mmdebstrap`" in said
    assert any("needs root" in line for line in said) == (os.geteuid() != 0)


def test_a_machine_without_apt_is_told_what_to_do_instead(tmp_path: Path) -> None:
    with pytest.raises(FarmError, match=r"apt-get is not there: .*name an image of a registry"):
        Archive(home=tmp_path, environ={"PATH": str(tmp_path)}).mirror("bullseye")


def test_a_mirror_with_a_password_is_not_asked(tmp_path: Path) -> None:
    """Its address would stay in the image, and in every copy of it."""
    apt = tmp_path / "apt-get"
    apt.write_text("#!/bin/sh\necho https://me:secret@mirror.example/debian/\n")
    apt.chmod(0o755)
    archive = Archive(home=tmp_path / "home", environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    with pytest.raises(FarmError, match=r"\(asked: none\).* put it into /etc/apt/auth\.conf\.d") as caught:
        archive.mirror("bullseye")
    assert "secret" not in str(caught.value)


def test_what_an_engine_says_last_counts() -> None:
    heard("fetch it", [{"status": "Pulling"}, {"status": "Done"}])
    with pytest.raises(FarmError, match="could not fetch it: no space left on device"):
        heard("fetch it", [{"status": "Pulling"}, {"errorDetail": {}, "error": "no space left on device"}])


def test_other_scripts_are_another_making() -> None:
    scripts = files(making).joinpath("inside").iterdir()
    found = MAKING, digest({each.name: each.read_text(encoding="utf-8") for each in scripts})[:16]
    assert found == ("1", "535f1b7d484952c8"), (
        "the scripts that make images have changed: raise MAKING in model/image.py if they make another one, and write "
        "both here"
    )


def test_the_newest_source_that_can_still_be_fetched_is_taken_and_kept(tmp_path: Path) -> None:
    """The index lists a version that the pool has no more, as mirrors do."""
    programs = tmp_path / "programs"
    programs.mkdir()
    for name, text in {
        "apt-get": 'echo "$*" >>"$CALLS"; case "$*" in *update) ;; '
        "*python3.13=3.13.15-1) echo got >python3.13_3.13.15.orig.tar.xz;; *) exit 100;; esac",
        "apt-cache": "printf 'Version: 3.13.9-1\\nVersion: 3.13.18-1\\nVersion: 3.13.15-1\\n'",
    }.items():
        (programs / name).write_text(f"#!/bin/sh\n{text}\n")
        (programs / name).chmod(0o755)
    environ = {"PATH": f"{programs}:{os.environ['PATH']}", "CALLS": str(tmp_path / "calls")}
    archive = _Mirrored(home=tmp_path / "home", environ=environ)
    version, path = archive.source("python3.13", ("trixie",))
    assert (version, path.read_text()) == ("3.13.15", "got\n")
    calls = (tmp_path / "calls").read_text()
    assert archive.source("python3.13", ("trixie",)) == (version, path)
    assert (tmp_path / "calls").read_text() == calls
    with pytest.raises(FarmError, match=r"no source of python9 in trixie"):
        archive.source("python9", ("trixie",))


# mmdebstrap as far as a base is concerned: a folder, its hooks in their order, a tar; root's secrets are looked at.
MMDEBSTRAP = """#!/bin/sh -e
case "$*" in *" sid base.tar "*) echo "E: none"; exit 1;; esac
root=$TMPDIR/root; mkdir -p "$root/etc/apt/apt.conf.d"; echo host >"$root/etc/hostname"
for each; do case "$each" in --setup-hook=*) sh -ec "${each#*=}" exec "$root";; esac; done
cat "$root"/etc/apt/apt.conf.d/* >>"$SEEN"; stat -c "%n %a" *.conf >>"$SEEN"; cat auth.conf >>"$SEEN"
for each; do case "$each" in --customize-hook=*) sh -ec "${each#*=}" exec "$root";; esac; done
tar -C "$root" -cf base.tar .; echo "$each" >>"$SEEN"
"""


@pytest.fixture
def archive(tmp_path: Path) -> Archive:
    """With a login, a proxy with a password, a program and a CA bundle for apt."""
    if shutil.which("apt-config") is None:
        cannot("no apt is here")
    for name, text in {"unshare": '#!/bin/sh\nshift 3; exec "$@"\n', "mmdebstrap": MMDEBSTRAP}.items():
        (tmp_path / name).write_text(text)
        (tmp_path / name).chmod(0o755)
    (tmp_path / "auth").write_text("machine https://mirror.example login me password secret-login\n")
    (tmp_path / "apt.conf").write_text(
        f'Dir::Etc::netrc "{tmp_path}/auth"; Acquire::http::Proxy "http://me:secret-proxy@proxy:3128";'
        'Acquire::http::Proxy::mirror.example "DIRECT"; Acquire::https::CaInfo "/etc/ssl/company.pem";'
        'DPkg::Pre-Invoke:: "touch /ran";'
    )
    environ = {"APT_CONFIG": str(tmp_path / "apt.conf"), "SEEN": str(tmp_path / "seen")}
    return _Mirrored(home=tmp_path / "home", environ={**environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"})


def test_a_base_is_made_with_what_apt_knows_here_and_holds_none_of_it(archive: Archive, tmp_path: Path) -> None:
    with archive.base("bullseye") as tar, tarfile.open(tar) as made:
        names = made.getnames()
        assert made.getmember("./bin").linkname == "usr/bin"
        assert b"secret" not in tar.read_bytes()
    assert [name for name in names if name.startswith(("./etc/host", "./etc/apt/apt.conf.d/"))] == []
    seen = (tmp_path / "seen").read_text()
    for line in (
        'Acquire::http::Proxy "http://me:secret-proxy@proxy:3128";',
        'Acquire::http::Proxy::mirror.example "DIRECT";',
        'Acquire::https::CaInfo "/etc/ssl/company.pem";',
        "apt.conf 600",
        "auth.conf 600",
        "machine https://mirror.example login me password secret-login",
    ):
        assert line in seen.splitlines()
    assert "Invoke" not in seen
    assert seen.endswith(" http://mirror.example/bullseye bullseye main\n")


def test_what_a_killed_one_left_is_gone_before_and_nothing_is_after(archive: Archive) -> None:
    left = archive.home / "bullseye" / "half"
    left.mkdir(parents=True)
    with archive.base("bullseye"):
        assert not left.exists()
    with (
        pytest.raises(FarmError, match=r"cannot make sid from http://mirror.example/sid:\nE: none"),
        archive.base("sid"),
    ):
        pass
    assert list(archive.home.iterdir()) == []


def test_an_older_source_is_not_taken_for_one_that_was_interrupted(tmp_path: Path) -> None:
    for name, text in {
        "apt-get": 'case "$*" in *=2-1) kill -INT $$;; *=1-1) echo old >x_1.orig.tar.xz;; esac',
        "apt-cache": "printf 'Version: 1-1\\nVersion: 2-1\\n'",
    }.items():
        (tmp_path / name).write_text(f"#!/bin/sh\n{text}\n")
        (tmp_path / name).chmod(0o755)
    archive = _Mirrored(home=tmp_path / "home", environ={"PATH": f"{tmp_path}:{os.environ['PATH']}"})
    with pytest.raises(FarmError, match="ended while it fetched x 2-1"):
        archive.source("x", ("trixie",))


class _Mirrored(Archive):
    """apt's helper is no program of PATH, and mmdebstrap is for root."""

    __slots__ = ()

    def demand(self) -> None:
        """Nothing: the test brings it."""

    def mirror(self, release: str) -> str:
        return f"http://mirror.example/{release}"


def test_arguments_of_scripts_arrive_as_they_are() -> None:
    text = script("tools", "a b", "$HOME").splitlines()[0]
    said = subprocess.run(["sh", "-ec", f'{text}\nprintf "%s|" "$@"'], capture_output=True, text=True, check=True)
    assert said.stdout == "a b|$HOME|"
    assert shlex.split(text)[2:] == ["a b", "$HOME"]


def test_what_is_copied_keeps_its_links() -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        python = tarfile.TarInfo("cp/python")
        python.size = 4
        archive.addfile(python, io.BytesIO(b"code"))
        for name, kind, link in (("hard", tarfile.LNKTYPE, "cp/python"), ("soft", tarfile.SYMTYPE, "python")):
            member = tarfile.TarInfo(f"cp/{name}")
            member.type, member.linkname = kind, link
            archive.addfile(member)
    packed.seek(0)
    moved = io.BytesIO()
    with tarfile.open(fileobj=packed) as source, tarfile.open(fileobj=moved, mode="w") as to:
        copied(source, to, "/opt")
    moved.seek(0)
    with tarfile.open(fileobj=moved) as archive:
        assert [(each.name, each.linkname) for each in archive] == [
            ("opt/cp/python", ""),
            ("opt/cp/hard", "opt/cp/python"),
            ("opt/cp/soft", "python"),
        ]
        assert content(archive) == "code"
