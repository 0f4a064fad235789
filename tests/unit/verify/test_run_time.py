"""What stands in the libraries of Debian, Fedora and Alpine, and what the rule takes it for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.verify.places import read_places
from buildfarm.verify.run_time import _kind_of

TRIPLET = "/usr/lib/x86_64-linux-gnu"
SEEN = {
    f"{TRIPLET}/libmariadb3/plugin": "plug-ins",
    "/usr/lib64/mariadb/plugin": "plug-ins",
    "/usr/lib/mariadb/plugin": "plug-ins",
    f"{TRIPLET}/gio/modules": "plug-ins",
    f"{TRIPLET}/bfd-plugins": "plug-ins",
    f"{TRIPLET}/slang/v2/modules": "plug-ins",
    "/opt/vendor/lib/drivers": "plug-ins",
    f"{TRIPLET}/engines-1.1": "modules that OpenSSL's settings name",
    "/usr/lib64/engines-3": "modules that OpenSSL's settings name",
    f"{TRIPLET}/ossl-modules": "modules that OpenSSL's settings name",
    f"{TRIPLET}/krb5/plugins/libkrb5": "plug-ins of Kerberos",
    "/usr/lib/sasl2": "SASL mechanisms",
    f"{TRIPLET}/libxslt-plugins": "XSLT extensions",
    "/usr/lib/ssl/certs": "CA certificates and settings of OpenSSL",
    "/etc/ssl/certs/ca-certificates.crt": "CA certificates and settings of OpenSSL",
    "/usr/local/mysql/lib/plugin": "plug-ins",
    "/usr/libexec/grass/plugins": "plug-ins",
    "/usr/share/grass/modules/core": "plug-ins",
    "/var/lib/grass/codecs": "plug-ins",
    f"{TRIPLET}/grass/plugin/%s.so": "plug-ins",
    f"{TRIPLET}/dri/drivers": "plug-ins",
    "/usr/share/p11-kit/modules": "modules for smart cards",
    f"{TRIPLET}/odbc": "files of its own",
    "/usr/libexec/grass": "files of its own",
    f"{TRIPLET}/libnssckbi.so": "files of its own",
    **dict.fromkeys(("/usr/lib/python3/dist-packages/grass/backends", "/usr/lib64/python3.11/plugins")),
    **dict.fromkeys((TRIPLET, f"{TRIPLET}/gconv", f"{TRIPLET}/perl/5.32", "/lib64/ld-linux-x86-64.so.2")),
    **dict.fromkeys(("/lib/terminfo", "/usr/lib/locale/locale-archive", "/usr/lib/modules", "/usr/lib/modules-load.d")),
}


@pytest.mark.parametrize(("place", "what"), SEEN.items())
def test_what_is_at_a_path(place: str, what: str | None) -> None:
    kind = _kind_of(place)
    assert (kind.what if kind else None) == what


def test_a_search_path_is_several_places_and_a_format_one() -> None:
    content = b'\0/usr/lib/a/sasl2:/usr/lib/sasl2/\0/usr/lib/%s/b.so\0ENGINESDIR: "/usr/lib/e"\0/usr/lib/cut'
    assert read_places(content) == ("/usr/lib/%s/b.so", "/usr/lib/a/sasl2", "/usr/lib/sasl2")


def test_what_does_not_continue_a_text_begins_one() -> None:
    content = b"\x01/var/lib/a/plugins\0\xff/usr/local/b/lib/x\0in /usr/lib/c/x\0x/usr/lib/d/x\0/var/log/e/x\0"
    assert read_places(content) == ("/usr/local/b/lib/x", "/var/lib/a/plugins")


@given(st.lists(st.sampled_from([b"\0", b"/usr/lib/a", b"/", b":", b"\xff", b"%s", b"etc/ssl", b"var/lib"])))
def test_every_place_stands_in_the_bytes(pieces: list[bytes]) -> None:
    content = b"".join(pieces)
    assert all(place.encode("latin-1") in content for place in read_places(content))
