"""Local engines are found by asking their sockets, quickly and without the SDK."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from buildfarm.adapters.container import sockets


@contextmanager
def answering(path: Path, answer: bytes) -> Iterator[None]:
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(path))
        server.listen()

        def serve() -> None:
            connection, _ = server.accept()
            with connection:
                assert connection.recv(1024).startswith(b"GET /_ping ")
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield
        thread.join()


@pytest.mark.parametrize(("answer", "expected"), [(b"HTTP/1.0 200 OK\r\n\r\nOK", 1), (b"HTTP/1.0 500 No\r\n\r\n", 0)])
def test_what_answers_is_an_engine(
    answer: bytes, expected: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sockets, "_PLACES", ("{run}/docker.sock", "{run}/podman/podman.sock"))
    with answering(tmp_path / "docker.sock", answer):
        found = list(sockets.answering({"XDG_RUNTIME_DIR": str(tmp_path)}))
    assert found == [f"unix://{tmp_path}/docker.sock"] * expected


def test_a_socket_that_nobody_listens_at_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sockets, "_PLACES", ("{run}/docker.sock",))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(tmp_path / "docker.sock"))
    assert list(sockets.answering({"XDG_RUNTIME_DIR": str(tmp_path)})) == []


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"DOCKER_HOST": "unix:///run/docker.sock"}, True),
        ({"DOCKER_HOST": "unix:///run/docker.sock", "DOCKER_TLS_VERIFY": "1"}, True),
        ({"DOCKER_HOST": "tcp://engine:2375"}, True),
        ({"DOCKER_HOST": "tcp://engine:2376", "DOCKER_TLS_VERIFY": "1"}, False),
        ({"DOCKER_HOST": "tcp://engine:2376", "DOCKER_CERT_PATH": "/certs"}, False),
        ({"DOCKER_HOST": "tcp://engine"}, False),
        ({"DOCKER_HOST": "ssh://engine"}, False),
        ({"DOCKER_HOST": "nonsense"}, False),
    ],
)
def test_what_can_be_asked_without_the_sdk(environ: dict[str, str], expected: bool) -> None:
    assert sockets.plain(environ) is expected
