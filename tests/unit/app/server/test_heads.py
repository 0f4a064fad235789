"""Heads that come whole are read apart; nobody who asks can tell."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterable

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildfarm.app.server import heads
from tests.unit.app.server.conftest import JSON, House

PAGE = b"GET /main/simple/?why HTTP/1.1\r\nHost: x\r\nAccept: " + JSON.encode() + b"\r\naccept: text/html;q=0.1\r\n\r\n"


def test_a_whole_head_is_read(heard: list[str]) -> None:
    request = heads.read(PAGE, heard.append)
    assert request is not None
    assert (request.method, request.path, request.query) == ("GET", "/main/simple/", "?why")
    assert request.field(b"accept") == f"{JSON},text/html;q=0.1"
    request.tell(200)
    assert heard[-1] == "200 GET /main/simple/?why HTTP/1.1"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        PAGE[:-1],
        PAGE[:-2],
        PAGE + b"G",
        PAGE + PAGE,
        PAGE.replace(b"GET", b"PUT"),
        PAGE.replace(b"1.1", b"1.0"),
        PAGE.replace(b" HTTP/1.1", b""),
        PAGE.replace(b"\r\nHost: x", b"\nHost: x"),
        PAGE.replace(b"Host: x\r\n", b"Host: x\n\n"),
        PAGE.replace(b"Host:", b"Host :"),
        PAGE.replace(b"Host: x", b"X: \x00"),
        PAGE.replace(b"Host: x", b"Content-Length: 4"),
        PAGE.replace(b"Host: x", b"Transfer-Encoding: chunked"),
        PAGE.replace(b"Host: x", b"Connection: close"),
        PAGE.replace(b"Host: x", b"Connection: Upgrade\r\nUpgrade: h2c"),
        PAGE.replace(b"Host: x", b"Expect: 100-continue"),
        PAGE.replace(b"Host: x", b"Host: x\r\nX-Long: " + b"x" * 4096),
    ],
)
def test_whatever_is_not_usual_is_left_to_the_parser(data: bytes) -> None:
    assert heads.read(data, None) is None


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])  # a server answers one as all
@given(cuts=st.lists(st.integers(1, 3 * len(PAGE)), max_size=4).map(sorted))
@example(cuts=[])
@example(cuts=[len(PAGE), 2 * len(PAGE)])
def test_however_requests_are_cut_the_answers_are_the_same(house: House, cuts: list[int]) -> None:
    three = PAGE + PAGE.replace(b"/main/", b"/nothing/") + PAGE.replace(b"Host: x", b"If-None-Match: *")
    pieces = [three[start:end] for start, end in zip([0, *cuts], [*cuts, len(three)], strict=True)]
    answers = list(_answers(house.server.port, pieces))
    assert [status for status, _ in answers] == [200, 404, 304]
    assert answers[0][1] == b'{"projects": []}'


@pytest.mark.parametrize("begun", [b"Content-Length: %d\r\n\r\n" % len(PAGE), b"Host: x\r\nX-Begun:"])
def test_what_looks_like_a_head_may_belong_to_another_request(house: House, heard: list[str], begun: bytes) -> None:
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as client:
        client.sendall(b"PUT /main/simple/ HTTP/1.1\r\n" + begun)
        time.sleep(0.02)  # so that the server hears the rest by itself
        client.sendall(PAGE)
        time.sleep(0.02)
        assert client.recv(1024).startswith(b"HTTP/1.1 405 ")
    assert heard == ["405 PUT /main/simple/ HTTP/1.1"]


def _answers(port: int, pieces: list[bytes]) -> Iterable[tuple[int, bytes]]:
    with socket.create_connection(("127.0.0.1", port), timeout=10) as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in pieces:
            client.sendall(piece)
            time.sleep(0.001)  # so that the server hears each by itself, most of the time
        file = client.makefile("rb")
        for _ in range(3):
            head = b"".join(iter(file.readline, b"\r\n"))
            length = re.search(rb"content-length: (\d+)", head)
            yield int(head.split()[1]), file.read(int(length[1])) if length else b""
