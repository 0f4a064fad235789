"""Debian packages made here, by dpkg-deb: pinned from what lists say, unpacked into a prefix."""

from __future__ import annotations

import functools
import hashlib
import http.server
import io
import os
import shutil
import subprocess
import tarfile
import threading
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from buildfarm.adapters.host import debs, prefix
from buildfarm.adapters.host.apt import Apt
from buildfarm.adapters.host.packages import AptPackages, _linked, _names
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import FarmError, Unavailable
from buildfarm.model.system import SystemPackage
from buildfarm.ports import Progress, no_report

needs_dpkg = pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="no Debian here")
MULTIARCH = "usr/lib/x86_64-linux-gnu"


def deb(
    tmp_path: Path, store: LocalStore, name: str, files: Mapping[str, str], links: Mapping[str, str]
) -> SystemPackage:
    tree = tmp_path / name
    (tree / "DEBIAN").mkdir(parents=True)
    said = f"Package: {name}\nVersion: 1.0-1\nArchitecture: amd64\nMaintainer: me\nDescription: -\n"
    (tree / "DEBIAN/control").write_text(said)
    for path, text in files.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).write_text(text)
        (tree / path).chmod(0o755 if "/bin/" in path else 0o644)
    for path, target in links.items():
        (tree / path).parent.mkdir(parents=True, exist_ok=True)
        (tree / path).symlink_to(target)
    file = tmp_path / f"{name}.deb"
    subprocess.run(["dpkg-deb", "--root-owner-group", "-b", tree, file], check=True, capture_output=True)
    with file.open("rb") as content:
        artifact = store.put(file.name, content)
    return SystemPackage(
        manager="apt",
        name=name,
        version="1.0-1",
        architecture="amd64",
        source=name,
        artifact=artifact,
        origin=str(file),
    )


@pytest.fixture
def made(tmp_path: Path) -> prefix.Prefix:
    """A library of an old package, in /lib, and what its developers get; unpacked."""
    store = LocalStore(tmp_path / "store")
    library = deb(
        tmp_path,
        store,
        "libone1",
        {
            "lib/x86_64-linux-gnu/libone.so.1.0": "bytes",
            "usr/share/doc/libone1/copyright": "MIT",
            "usr/share/man/x": "",
            "etc/x": "",
        },
        {"lib/x86_64-linux-gnu/libone.so.1": "libone.so.1.0"},
    )
    headers = deb(
        tmp_path,
        store,
        "libone-dev",
        {
            "usr/include/one.h": "",
            f"{MULTIARCH}/pkgconfig/one.pc": "prefix=/usr\nlibdir=/usr/lib/x86_64-linux-gnu\nnote=/usr/local\n",
            "usr/bin/one-config": '#!/bin/sh\necho -I/usr/include/one -L/usr/lib\n[ "$1" != fail ]\n',
        },
        {
            f"{MULTIARCH}/libone.so": "/lib/x86_64-linux-gnu/libone.so.1.0",
            "usr/share/doc/libone-dev": "libone1",
        },
    )
    return prefix.provide((headers, library), "x86_64", tmp_path / "system", store, no_report)


@needs_dpkg
class TestPrefix:
    def test_links_lead_to_the_library_wherever_the_package_had_it(self, made: prefix.Prefix) -> None:
        assert (made.root / MULTIARCH / "libone.so").read_text() == "bytes"
        assert (made.root / MULTIARCH / "libone.so.1").read_text() == "bytes"

    def test_what_no_build_reads_is_left_out(self, made: prefix.Prefix) -> None:
        assert not (made.root / "etc").exists()
        assert not (made.root / "usr/share/man").exists()

    def test_pkg_config_hears_of_the_prefix(self, made: prefix.Prefix) -> None:
        said = (made.root / MULTIARCH / "pkgconfig/one.pc").read_text()
        assert said == f"prefix={made.root}/usr\nlibdir={made.root}/usr/lib/x86_64-linux-gnu\nnote=/usr/local\n"

    def test_a_config_program_answers_with_the_prefix_and_its_own_exit_code(self, made: prefix.Prefix) -> None:
        program = made.root / "config/one-config"
        assert str(program.parent) == made.path[0]
        said = subprocess.run([program], capture_output=True, text=True, check=True).stdout
        assert said == f"-I{made.root}/usr/include/one -L{made.root}/usr/lib\n"
        assert subprocess.run([program, "fail"], capture_output=True, check=False).returncode == 1

    def test_it_knows_libraries_and_licences(self, made: prefix.Prefix) -> None:
        headers, library = made.packages
        assert library.libraries == {"libone.so.1.0": hashlib.sha256(b"bytes").hexdigest()}
        assert (headers.libraries, headers.licence, library.licence) == ({}, "MIT", "MIT")

    def test_it_is_made_once(self, made: prefix.Prefix, tmp_path: Path) -> None:
        (made.root / "mark").touch()
        packages = tuple(each.package for each in made.packages)
        again = prefix.provide(packages, "x86_64", tmp_path / "system", LocalStore(tmp_path / "none"), no_report)
        assert again == made
        assert (again.root / "mark").exists()


def raw(*members: tuple[str, bytes, bytes | str]) -> bytes:
    """A package of (path, kind, content or target), as no tool would make it."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as tar:
        for path, kind, what in members:
            info = tarfile.TarInfo(path)
            info.type = kind
            info.linkname, data = (what, b"") if isinstance(what, str) else ("", what)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    control = io.BytesIO()
    with tarfile.open(fileobj=control, mode="w:gz") as tar:
        said = b"Package: a\nVersion: 1\nArchitecture: amd64\nMaintainer: me\nDescription: -\n"
        info = tarfile.TarInfo("./control")
        info.size = len(said)
        tar.addfile(info, io.BytesIO(said))
    parts = {"debian-binary": b"2.0\n", "control.tar.gz": control.getvalue(), "data.tar.gz": content.getvalue()}
    return b"!<arch>\n" + b"".join(
        f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(part):<10}`\n".encode() + part + b"\n" * (len(part) % 2)
        for name, part in parts.items()
    )


def unpacked(tmp_path: Path, package: bytes) -> Path:
    store = LocalStore(tmp_path / "store")
    artifact = store.put("a_1_amd64.deb", io.BytesIO(package))
    made = SystemPackage(
        manager="apt", name="a", version="1", architecture="amd64", source="a", artifact=artifact, origin=""
    )
    return prefix.provide((made,), "x86_64", tmp_path / "system", store, no_report).root


@needs_dpkg
class TestHostile:
    @pytest.mark.parametrize("target", ["../../../../secret", "../../..", "x/../../../../secret"])
    def test_a_link_out_of_the_prefix_is_refused(self, target: str, tmp_path: Path) -> None:
        with pytest.raises(FarmError, match="has the path"):
            unpacked(tmp_path, raw(("./usr/lib/x", tarfile.SYMTYPE, target)))

    @pytest.mark.parametrize(
        ("target", "leads"),
        [
            ("/etc/secret", "../../etc/secret"),
            ("/../secret", "../../secret"),
            ("/lib/a", "a"),
            ("../../lib/a", "a"),
            ("y/../a", "a"),
            ("../include", "../include"),
        ],
    )
    def test_every_other_link_stays_in_it(self, target: str, leads: str, tmp_path: Path) -> None:
        root = unpacked(tmp_path, raw(("./usr/lib/x", tarfile.SYMTYPE, target)))
        assert str((root / "usr/lib/x").readlink()) == leads

    def test_a_hard_link_copies_nothing_through_a_link(self, tmp_path: Path) -> None:
        links = (("./usr/lib/x", tarfile.SYMTYPE, "a"), ("./usr/lib/y", tarfile.LNKTYPE, "./usr/lib/x"))
        root = unpacked(tmp_path, raw(("./usr/lib/a", tarfile.REGTYPE, b"a"), *links))
        assert not (root / "usr/lib/y").exists()

    def test_a_hard_link_is_the_same_file(self, tmp_path: Path) -> None:
        same = ("./usr/lib/[y]", tarfile.LNKTYPE, "./usr/lib/[x]")
        root = unpacked(tmp_path, raw(("./usr/lib/[x]", tarfile.REGTYPE, b"x"), same))
        assert (root / "usr/lib/[y]").read_bytes() == b"x"

    @pytest.mark.parametrize("target", ["./usr/share/doc/a/x", "./", "./usr/lib/absent"])
    def test_a_hard_link_to_what_is_left_out_is_left_out(self, target: str, tmp_path: Path) -> None:
        members = (("./usr/share/doc/a/x", tarfile.REGTYPE, b"x"), ("./usr/lib/y", tarfile.LNKTYPE, target))
        assert not (unpacked(tmp_path, raw(*members)) / "usr/lib/y").exists()

    def test_pkg_config_files_need_not_be_utf_8(self, tmp_path: Path) -> None:
        root = unpacked(tmp_path, raw(("./usr/lib/pkgconfig/x.pc", tarfile.REGTYPE, b"prefix=/usr\nName: caf\xe9\n")))
        assert (root / "usr/lib/pkgconfig/x.pc").read_bytes() == f"prefix={root}/usr\n".encode() + b"Name: caf\xe9\n"

    def test_linker_scripts_hear_of_the_prefix_and_small_libraries_do_not(self, tmp_path: Path) -> None:
        texts = {"script": b"INPUT(/usr/lib/x)", "library": b"\x7fELF /usr/lib/x"}
        root = unpacked(tmp_path, raw(*((f"./usr/lib/{name}.so", tarfile.REGTYPE, texts[name]) for name in texts)))
        assert (root / "usr/lib/script.so").read_text() == f"INPUT({root}/usr/lib/x)"
        assert (root / "usr/lib/library.so").read_bytes() == texts["library"]

    def test_a_package_that_breaks_off_is_refused(self, tmp_path: Path) -> None:
        whole = raw(("./usr/lib/a", tarfile.REGTYPE, os.urandom(1_000_000)))
        with pytest.raises(FarmError, match="cannot be read"):
            unpacked(tmp_path, whole[: len(whole) // 2] + b"\0" * (len(whole) // 2))


def test_a_path_that_leads_out_is_refused() -> None:
    with pytest.raises(FarmError, match="has the path"):
        debs.place("./usr/../../etc")


@pytest.mark.parametrize(
    ("version", "floor"),
    [
        ("GLIBC_2.2.5", (2, 2)),
        ("GLIBC_2.34", (2, 34)),
        ("GLIBC_ABI_DT_RELR", (2, 36)),
        ("GLIBCXX_3.4", (2, 17)),
        ("GLIBCXX_3.4.30", (2, 35)),
        ("GLIBCXX_3.4.99", (2, 99)),
        ("OPENSSL_3.0.0", (0, 0)),
    ],
)
def test_a_symbol_version_tells_the_floor(version: str, floor: tuple[int, int]) -> None:
    assert debs._of_symbol(version) == floor


def test_a_real_library_tells_its_floor(tmp_path: Path) -> None:
    library = next(Path("/usr/lib").glob("*-linux-gnu/libz.so.1"), None)
    if library is None:
        pytest.skip("no libz")
    assert (2, 2) <= debs._floor(io.BytesIO(library.read_bytes())) < (2, 99)
    assert debs._floor(io.BytesIO(b"/* GNU ld script */")) == (0, 0)


def test_only_libraries_of_what_developers_asked_for_are_linked() -> None:
    def stanza(depends: str = "", provides: str = "", architecture: str = "amd64") -> dict[str, str]:
        return {"Depends": depends, "Provides": provides, "Architecture": architecture}

    closure = {
        "libpq-dev": stanza("libpq5 (= 15), libssl-dev"),
        "libssl-dev": stanza("libssl3 (= 3)"),
        "libpq5": stanza("libc6 (>= 2.33), libldap | libssl-api, pq-common"),
        "libssl3": stanza(provides="libssl-api (= 3)"),
        "pq-common": stanza(architecture="all"),
        "rustc": stanza("libllvm"),
        "libllvm": stanza(),
    }
    assert _linked(("libpq-dev", "rustc"), closure) == {"libpq5", "libssl3"}
    assert _names("liba1, libb (>= 1:2) | libc++") == ["liba1", "libb", "libc++"]


def test_a_name_that_is_none_never_reaches_apt(tmp_path: Path) -> None:
    apt = Apt(home=tmp_path / "apt", environ={}, report=no_report)
    for name in ("-o=x", "libssl3-", "a=1", "A", ""):
        with pytest.raises(Unavailable, match="no name of a Debian package"):
            apt.closure((name,))


class Mirror:
    """A mirror on this machine, apt told of nothing else, and our packages from it."""

    def __init__(self, tmp_path: Path) -> None:
        self.files, self.heard = tmp_path / "mirror", list[str]()
        self.files.mkdir()
        serve = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(self.files))
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), serve)
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()
        (tmp_path / "sources.list").write_text(f"deb [trusted=yes] http://127.0.0.1:{self.server.server_port} ./\n")
        own = {f"Dir::Etc::{name}": "/dev/null" for name in ("main", "parts", "sourceparts")}
        own |= {"Dir::Etc::sourcelist": str(tmp_path / "sources.list"), "Acquire::Retries": "0"}
        (tmp_path / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in own.items()))
        environ = {"PATH": os.environ["PATH"], "APT_CONFIG": str(tmp_path / "apt.conf"), "no_proxy": "*"}
        self.apt = Apt(home=tmp_path / "apt", environ=environ, report=self.hear)
        self.packages = AptPackages(apt=self.apt, store=LocalStore(tmp_path / "store"))

    def hear(self, progress: Progress) -> None:
        self.heard.append(progress.message)

    def publish(self, version: str) -> None:
        """This version of libone-dev alone; other files are gone."""
        shutil.rmtree(self.files)
        self.files.mkdir()
        listed = ""
        for name, each in {"libone-dev": version, "pkg-config": "1", "g++": "1"}.items():
            file = self.files / f"{name}_{each}_amd64.deb"
            file.write_text(f"{name} {each}")
            sha256 = hashlib.sha256(file.read_bytes()).hexdigest()
            listed += f"Package: {name}\nVersion: {each}\nArchitecture: amd64\nDescription: -\nMaintainer: me\n"
            listed += f"Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {sha256}\n\n"
        (self.files / "Packages").write_text(listed)
        os.utime(self.files / "Packages", (0, float(version) * 1e9))

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


@pytest.fixture
def mirror(tmp_path: Path) -> Iterator[Mirror]:
    made = Mirror(tmp_path)
    made.publish("1.0")
    yield made
    made.close()


@needs_dpkg
class TestMirror:
    def test_what_is_locked_is_in_the_store(self, mirror: Mirror) -> None:
        locked = mirror.packages.lock(["libone-dev"])
        assert [(each.name, each.version) for each in locked] == [("libone-dev", "1.0"), ("pkg-config", "1")]
        mirror.close()
        assert all(mirror.packages.fetch(each) == each.artifact for each in locked)

    def test_a_mirror_that_moved_on_is_asked_anew(self, mirror: Mirror) -> None:
        mirror.apt.closure(("libone-dev",))
        mirror.publish("1.1")
        assert mirror.packages.lock(["libone-dev"])[0].version == "1.1"

    def test_a_file_that_the_mirror_no_longer_has_is_said_apart(self, mirror: Mirror) -> None:
        (mirror.files / "libone-dev_1.0_amd64.deb").unlink()
        with pytest.raises(Unavailable, match="the mirror no longer has libone-dev_1") as gone:
            mirror.packages.lock(["libone-dev"])
        assert gone.value.reason.code == "upstream"

    def test_a_mirror_that_cannot_be_reached_is_not_the_authors_fault_and_is_asked_again(self, mirror: Mirror) -> None:
        port = mirror.server.server_port
        mirror.close()
        with pytest.raises(Unavailable, match=f"apt cannot renew its lists: .*127.0.0.1:{port}") as unreachable:
            mirror.packages.lock(["libone-dev"])
        assert unreachable.value.reason.code == "upstream"
        assert not (mirror.apt.home / "updated").exists()

    def test_a_refusal_is_remembered_for_a_while(self, mirror: Mirror) -> None:
        for _ in range(3):
            with pytest.raises(Unavailable, match="Unable to locate package libtwo-dev"):
                mirror.packages.lock(["libtwo-dev"])
        assert [each for each in mirror.heard if each.startswith("asking")] == ["asking apt what libtwo-dev need"]


@pytest.mark.network
@pytest.mark.host
@pytest.mark.slow
@needs_dpkg
def test_apt_pins_a_closure_from_nothing_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    store = LocalStore(tmp_path / "store")
    apt = Apt(home=tmp_path / "apt", environ=dict(os.environ), report=no_report)
    packages = AptPackages(apt=apt, store=store)
    found = {each.name: each for each in packages.lock(["libyaml-dev"])}
    assert {"libyaml-dev", "libyaml-0-2", "pkgconf"} <= found.keys()
    assert "libc6" not in found
    assert (0, 0) < found["libyaml-0-2"].floor <= (2, 17)
    with pytest.raises(Unavailable) as unknown:
        packages.lock(["libyml-dev"])
    assert unknown.value.reason.code == "packages"
    assert "libyaml-dev" in unknown.value.reason.advice
