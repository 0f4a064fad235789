"""The form of an upload, whole, broken and hostile, however it is cut into pieces."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from contextlib import suppress
from io import BytesIO

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from buildfarm.app.server import form as module
from buildfarm.app.server.form import Form, Sent
from buildfarm.model.errors import Refused

TYPE = "multipart/form-data; boundary=xXx"
FILE = 'form-data; name="content"; filename="a-1.0.whl"'
Part = tuple[str, bytes]


def body(*parts: Part, end: bytes = b"--xXx--\r\n") -> bytes:
    whole = b"".join(
        b"--xXx\r\nContent-Disposition: %s\r\n\r\n%s\r\n" % (disposition.encode(), content)
        for disposition, content in parts
    )
    return whole + end


def field(name: str, value: bytes) -> Part:
    return f'form-data; name="{name}"', value


def read(content: bytes, limit: int = 1000, sizes: Iterable[int] = (), kind: str = TYPE) -> Sent:
    form = Form(kind, BytesIO(), limit)
    at = 0
    for size in sizes:
        form.feed(content[at : at + size])
        at += size
    form.feed(content[at:])
    return form.end()


@given(st.lists(st.integers(1, 40), max_size=20), st.binary(max_size=200))
@example([], b"\r\n--xXx")
@example([], b"\r\n--xX")
def test_a_form_is_the_same_however_it_is_cut(sizes: list[int], content: bytes) -> None:
    if b"\r\n--xXx" in b"\r\n" + content:
        return  # no client chooses a boundary that is in what it sends
    sent = read(
        body(field("name", b"a"), (FILE, content), field("version", b"1.0"), field("description", b"x")), sizes=sizes
    )
    assert (sent.filename, sent.content.read(), sent.size) == ("a-1.0.whl", content, len(content))
    assert sent.sha256 == hashlib.sha256(content).hexdigest()
    assert dict(sent.fields) == {"name": "a", "version": "1.0"}
    assert sent.field("filetype") == ""


@pytest.mark.parametrize(
    ("name", "digest"),
    [
        ("sha256_digest", hashlib.sha256(b"wheel").hexdigest()),
        ("md5_digest", hashlib.md5(b"wheel").hexdigest()),
        ("blake2_256_digest", hashlib.blake2b(b"wheel", digest_size=32).hexdigest()),
    ],
)
def test_digests_of_the_form_are_held_against_the_bytes(name: str, digest: str) -> None:
    for right in (digest, digest.upper(), ""):
        assert read(body((FILE, b"wheel"), field(name, right.encode()))).size == 5
    with pytest.raises(
        Refused, match=f"a-1.0.whl was damaged on its way: its {name} is {digest}, and the form says 0"
    ) as it:
        read(body((FILE, b"wheel"), field(name, b"0" * len(digest))))
    assert it.value.status == 400


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "the form ends before its last boundary: the upload was cut off; send it again"),
        (body((FILE, b"x"), end=b""), "the form ends before its last boundary"),
        (body((FILE, b"x"))[:-10], "the form ends before its last boundary"),
        (body(field("name", b"a")), "the form has no file 'content'; twine and uv publish send one"),
        (body((FILE, b"x"), (FILE, b"x")), "the form has two files 'content'; send each file in a form of its own"),
        (body(field("name", b"a"), field("name", b"b"), (FILE, b"")), "the form says name twice"),
        (body(field("version", b"9" * 1001), (FILE, b"")), "the field version of the form has more than 1,000 bytes"),
        (b"nonsense", "the form cannot be read: "),
        (b"--xXx\r\nBad Header: x\r\n\r\n", "the form cannot be read: "),
        (b"--xXx\r\n" + b"X-A: b\r\n" * 9, "the form cannot be read: Maximum header count exceeded"),
        (b"--xXx\r\nX-A: " + b"b" * 9000, "the form cannot be read: Maximum header size exceeded"),
    ],
)
def test_a_form_that_is_not_whole_is_refused(content: bytes, sentence: str) -> None:
    with pytest.raises(Refused) as error:
        read(content)
    assert str(error.value).startswith(sentence)
    assert error.value.status == 400


@pytest.mark.parametrize(
    "kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary=", f"multipart/mixed; {TYPE[21:]}"]
)
def test_what_is_no_form_is_refused(kind: str) -> None:
    with pytest.raises(Refused, match="an upload is a form"):
        read(b"", kind=kind)
    with pytest.raises(Refused, match="the form cannot be read: Boundary length 300"):
        read(b"", kind=f"multipart/form-data; boundary={'x' * 300}")


def test_more_than_the_limit_is_refused_while_it_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(body((FILE, b"x" * 10)), limit=10).size == 10
    form = Form(TYPE, BytesIO(), 2048)
    form.feed(body((FILE, b"x" * 2048), end=b"")[:-2])
    with pytest.raises(Refused, match="the file is larger than 2 KiB, the upload_limit of this server") as error:
        form.feed(b"x" * 20)
    assert error.value.status == 413
    monkeypatch.setattr(module, "FIELDS_LIMIT", 1024)
    with pytest.raises(Refused, match="the fields of the form are larger than 1 KiB") as error:
        read(body(*(field("classifiers", b"x" * 100) for _ in range(11))))
    assert error.value.status == 413


@given(
    st.binary(max_size=300)
    | st.lists(
        st.sampled_from(
            [
                b"--xXx",
                b"\r\n",
                b"--",
                b"Content-Disposition: form-data; name=",
                b'"content"',
                b"; filename=",
                b'"',
                b"\0",
                b"a-1.0.whl",
            ]
        )
    ).map(b"".join),
    st.text(st.characters(max_codepoint=255), max_size=30),
)
def test_no_form_is_too_odd(content: bytes, kind: str) -> None:
    for each in (TYPE, f"{TYPE}; {kind}", kind):
        with suppress(Refused):
            read(content, kind=each)
