"""The server as a whole: its start, its connections, its end."""

from __future__ import annotations

import http.client
import re
import shutil
import socket
import ssl
import subprocess
import threading
from pathlib import Path

import pytest

from buildfarm.app.server import protocol
from buildfarm.app.server.running import IndexServer, Place, serve
from buildfarm.app.settings import Settings
from buildfarm.model.errors import FarmError
from tests.conftest import cannot
from tests.unit.app.server.conftest import WHEEL, Ask, Heard, House


def test_a_connection_serves_many_requests(over_a_socket: Ask, connection: http.client.HTTPConnection) -> None:
    over_a_socket("/main/simple/")
    kept = connection.sock
    for path in ("/nothing", "/main/simple", f"/main/{WHEEL}"):
        over_a_socket(path)
    assert over_a_socket("/main/simple/", If_None_Match="*").status == 304
    assert connection.sock is kept


def test_a_body_is_not_taken_for_the_next_request(connection: http.client.HTTPConnection, heard: Heard) -> None:
    connection.request("GET", "/main/simple/", body=b"GET /main/simple/smuggled/ HTTP/1.1\r\n\r\n")
    response = connection.getresponse()
    assert (response.status, response.headers["Connection"]) == (200, "close")
    response.read()
    assert heard == ["200 GET /main/simple/ HTTP/1.1"]


@pytest.mark.parametrize("begun", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow"])
def test_a_connection_that_says_nothing_more_is_ended(
    house: House, monkeypatch: pytest.MonkeyPatch, begun: bytes
) -> None:
    monkeypatch.setattr(protocol, "PATIENCE", 0.1)
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as idle:
        idle.sendall(begun)
        assert idle.recv(1) == b""
    assert house.heard == []


def test_a_head_without_end_is_refused(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        raw.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n")
        with pytest.raises(ConnectionError):
            raw.sendall(b"X-Line: x\r\n" * 1_000_000)
    assert house.ask("/main/simple/").status == 200


def test_what_is_no_http_commands_no_terminal(house: House) -> None:
    with socket.create_connection(("127.0.0.1", house.server.port), timeout=10) as raw:
        raw.sendall(b"GET /\x1b[31m HTTP/1.0\r\n\r\n")
        assert raw.recv(1024).startswith(b"HTTP/1.1 400 ")
    house.ask("/a\x1b[31mb")
    assert house.heard == ["404 GET /ab HTTP/1.1"]


def test_a_taken_port_is_told(house: House, tmp_path: Path) -> None:
    with pytest.raises(FarmError) as error:
        IndexServer(Settings(home=tmp_path), {}, Place(port=house.server.port))
    assert re.fullmatch(
        rf"could not listen on 127\.0\.0\.1, port {house.server.port}: .*in use; "
        r"end what listens there, perhaps another `buildfarm serve`, or choose another --port \(0: any\)",
        str(error.value),
    )


@pytest.mark.parametrize(("bind", "port"), [("127.0.0.1", 70000), ("192.0.2.1", 0), ("..", 0)])
def test_an_address_that_cannot_be_had_is_told(tmp_path: Path, bind: str, port: int) -> None:
    with pytest.raises(FarmError, match="--bind takes an address of this machine"):
        IndexServer(Settings(home=tmp_path), {}, Place(bind=bind, port=port))


def test_serve_says_where_and_lets_go_of_the_port(house: House) -> None:
    told: list[str] = []
    with IndexServer(house.settings, {}, Place()) as server:
        url, port = server.url, server.port
        server.stop()
        serve(server, told.append)
    assert told == [
        f"serving {house.tree} at {url}/ until Ctrl-C",
        f"  pip install --index-url {url}/company/base/simple/ NAME",
        f"  pip install --index-url {url}/main/simple/ NAME",
    ]
    with IndexServer(house.settings, {}, Place(port=port)) as again:
        assert again.port == port


def test_https_with_a_certificate_of_ones_own(house: House, tmp_path: Path) -> None:
    certificate, key = tmp_path / "host.pem", tmp_path / "host.key"
    make_certificate(certificate, key)
    place = Place(certfile=certificate, keyfile=key)
    with IndexServer(house.settings, {}, place) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            trust = ssl.create_default_context(cafile=str(certificate))
            connection = http.client.HTTPSConnection("localhost", server.port, context=trust, timeout=10)
            connection.request("GET", "/main/simple/")
            body = connection.getresponse().read().decode()
            connection.close()
            assert server.url.startswith("https://127.0.0.1:")
        finally:
            server.stop()
            thread.join()
    assert body == "<a href='farm-tools/'>"


def test_a_certificate_that_cannot_be_used_is_told(tmp_path: Path) -> None:
    (tmp_path / "no.pem").write_text("no certificate\n")
    with pytest.raises(FarmError, match=r"the certificate \S+no\.pem with the key \S+no\.pem cannot be used: .*PEM"):
        IndexServer(Settings(home=tmp_path / "home"), {}, Place(certfile=tmp_path / "no.pem"))


def make_certificate(certificate: Path, key: Path) -> None:
    """One for localhost, signed by itself."""
    openssl = shutil.which("openssl") or cannot("no openssl is here (apt-get install openssl)")
    names = ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1"]
    made = ["-newkey", "rsa:2048", "-nodes", "-keyout", str(key), "-out", str(certificate), "-days", "2"]
    subprocess.run([openssl, "req", "-x509", *names, *made], check=True, capture_output=True)
