"""Uploads by real clients, and by those that do it wrong: what is answered, and that nothing half-done is seen."""

from __future__ import annotations

import atexit
import http.client
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from io import BytesIO
from pathlib import Path
from urllib.parse import quote
from zipfile import ZipFile

import httpx
import pytest
import uv
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from buildfarm.app.server import upload
from buildfarm.model.index import IndexClass
from buildfarm.model.wheel import Verdict
from tests.conftest import cannot
from tests.e2e.conftest import Farm
from tests.e2e.serving import Served, make_wheel, serving

pytestmark = pytest.mark.slow

TWINE = "twine==7.0.0"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A server with the index ``main``, which takes files untested."""
    with serving(tmp_path_factory.mktemp("upload") / "home", BUILDFARM_UPLOAD_LIMIT="64KiB") as served:
        served.make_index("main", accepts=tuple(Verdict))
        served.make_index("other", accepts=tuple(Verdict))
        served.make_index("third", kind=IndexClass.MIRROR)
        yield served


@pytest.fixture
def secret(home: Served) -> str:
    return home.make_token("main")


@pytest.fixture(scope="module")
def all_rights(home: Served) -> str:
    return home.make_token("*")


def pages(files: Mapping[str, str]) -> bytes:
    """A zip of documentation."""
    content = BytesIO()
    with ZipFile(content, "w") as packed:
        for path, text in files.items():
            packed.writestr(path, text)
    return content.getvalue()


def run(folder: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """Run a program that finds no configuration but that of the folder; all that it says is in its stdout."""
    passed = {name: value for name, value in os.environ.items() if not name.startswith(("TWINE_", "UV_PUBLISH_"))}
    environ = {**passed, "HOME": str(folder), "UV_NO_CONFIG": "1", "NO_COLOR": "1", "COLUMNS": "300"}
    return subprocess.run(
        argv,
        cwd=folder,
        env=environ,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=300,
        check=False,
    )


def uv_publish(home: Served, folder: Path, file: Path, secret: str) -> subprocess.CompletedProcess[str]:
    where = ("--publish-url", f"{home.url}/main/", "--check-url", f"{home.url}/main/simple/")
    return run(folder, uv.find_uv_bin(), "publish", *where, "--token", secret, str(file))


def twine(home: Served, folder: Path, file: Path, secret: str) -> subprocess.CompletedProcess[str]:
    (folder / ".pypirc").write_text(
        f"[distutils]\nindex-servers = farm\n\n"
        f"[farm]\nrepository = {home.url}/main/\nusername = __token__\npassword = {secret}\n"
    )
    return run(folder, str(twine_here()), "upload", "--non-interactive", "--repository", "farm", str(file))


@cache
def twine_here() -> Path:
    """twine, installed once in an environment of its own."""
    environment = Path(tempfile.mkdtemp(prefix="twine-"))
    atexit.register(shutil.rmtree, environment, ignore_errors=True)
    make, install = ("venv", "--quiet"), ("pip", "install", "--quiet", "--python")
    subprocess.run([uv.find_uv_bin(), *make, "--python", sys.executable, environment], check=True)
    subprocess.run([uv.find_uv_bin(), *install, environment / "bin" / "python", TWINE], check=True)
    return environment / "bin" / "twine"


CLIENTS = [pytest.param(uv_publish, id="uv"), pytest.param(twine, id="twine", marks=pytest.mark.network)]


@pytest.mark.parametrize("client", CLIENTS)
def test_a_client_uploads_and_is_told_what_is_wrong(
    home: Served, tmp_path: Path, client: Callable[..., subprocess.CompletedProcess[str]]
) -> None:
    project = f"demo_{client.__name__}"
    name, content = make_wheel(project, "1.0")
    (tmp_path / name).write_bytes(content)
    secret = home.make_token("main")
    done = client(home, tmp_path, tmp_path / name, secret)
    assert done.returncode == 0, done.stdout
    assert home.versions("main", project.replace("_", "-")) == ["1.0"]
    assert client(home, tmp_path, tmp_path / name, secret).returncode == 0  # the same again

    _, other = make_wheel(project, "1.0", "Summary: other")
    (tmp_path / name).write_bytes(other)
    done = client(home, tmp_path, tmp_path / name, secret)
    assert done.returncode != 0
    assert "already exists" in done.stdout or "do not match" in done.stdout  # uv looks before it sends

    name, content = make_wheel(project, "2.0")
    (tmp_path / name).write_bytes(content)
    for refused, reason in (
        (home.make_token("main", "read"), "may not upload to main: it is for reading main"),
        (home.make_token("other"), "may not upload to main: it is for uploading other"),
        (home.make_token("main", project="numerics"), "is not for the project '"),
        (home.make_token("main", expires=-1), "has expired"),
        ("bf-nonsense", "the token is none of this server"),
    ):
        done = client(home, tmp_path, tmp_path / name, refused)
        assert done.returncode != 0
        assert "403 Forbidden" in done.stdout
        assert reason in " ".join(done.stdout.split())
    own = home.make_token("main", project=project.replace("_", "-"))
    assert client(home, tmp_path, tmp_path / name, own).returncode == 0
    assert home.versions("main", project.replace("_", "-")) == ["1.0", "2.0"]


def test_without_credentials_they_are_asked_for(home: Served) -> None:
    answer = home.upload("main", *make_wheel("nobody", "1.0"))
    assert (answer.status_code, answer.headers["WWW-Authenticate"].split()[0]) == (401, "Basic")


def test_an_index_that_is_not_there(home: Served, secret: str) -> None:
    home.make_index("hidden", private=True)
    answer = home.upload("mian", *make_wheel("nowhere", "1.0"), secret)
    assert (answer.status_code, answer.text) == (
        404,
        "there is no index mian; those that there are: main, other, third\n",
    )
    assert home.upload("hidden", *make_wheel("nowhere", "1.0"), secret).status_code == 403


@pytest.mark.parametrize(
    ("fields", "reason"),
    [
        ({"action": "submit"}, ":action 'submit' is not known here; those that are: "),
        ({"action": ""}, ":action '' is not known here"),
        ({"protocol_version": "2"}, "protocol_version '2' is not known here; it is 1"),
        ({"filetype": "bdist_egg"}, "filetype 'bdist_egg' is not taken here: bdist_wheel and sdist are"),
        ({"sha256_digest": "0" * 64}, "wrong-1.0-py3-none-any.whl was damaged on its way: its sha256_digest is "),
        ({"blake2_256_digest": "0" * 64}, "wrong-1.0-py3-none-any.whl was damaged on its way"),
        ({"name": "other"}, ""),
        ({"version": "1.1"}, ""),
    ],
)
def test_what_is_wrong_with_a_form_is_said_in_one_line_and_in_the_status(
    home: Served, secret: str, fields: dict[str, str], reason: str
) -> None:
    answer = home.upload("main", *make_wheel("wrong", "1.0"), secret, **fields)
    assert answer.status_code == 400
    assert answer.text.startswith(reason)
    assert answer.text.count("\n") == 1
    assert answer.reason_phrase == answer.text.strip()[:400]
    assert home.versions("main", "wrong") == []


def test_attestations_are_not_kept_and_that_is_said(home: Served, secret: str) -> None:
    answer = home.upload("main", *make_wheel("attested", "1.0"), secret, attestations="[{}]")
    assert answer.status_code == 200
    assert "its attestations were not kept: this index cannot verify them (PEP 740)" in answer.text
    assert not list(home.tree.rglob("attested*provenance*"))


def test_more_than_the_limit_is_refused_with_and_without_a_length(home: Served, secret: str) -> None:
    name, content = make_wheel("large", "1.0", files={"large_data.txt": "x" * 70_000})
    assert home.upload("main", name, content, secret).status_code == 413
    connection = http.client.HTTPConnection("127.0.0.1", home.server.port, timeout=30)
    connection.putrequest("POST", "/main/")
    connection.putheader("Authorization", f"Bearer {secret}")
    connection.putheader("Content-Length", str(1 << 40))
    connection.putheader("Content-Type", "multipart/form-data; boundary=x")
    connection.endheaders()
    response = connection.getresponse()  # before a byte of it was sent
    assert (response.status, response.reason) == (
        413,
        "the upload is larger than 64 KiB, the upload_limit of this server",
    )
    connection.close()


@pytest.mark.parametrize("action", ["file_upload", "doc_upload"])
def test_a_token_that_is_revoked_while_its_upload_runs_publishes_nothing(home: Served, action: str) -> None:
    ledger, project = home.server.ledger, f"slow-{action.partition('_')[0]}"
    secret, content = home.make_token("main"), BytesIO()
    with ZipFile(content, "w") as archive:
        archive.writestr("index.html", "docs")
    name, wheel = make_wheel(project.replace("-", "_"), "1.0")
    file = (name, wheel) if action == "file_upload" else ("docs.zip", content.getvalue())
    form = {":action": action, "name": project, "version": "1.0", "filetype": "bdist_wheel"}
    request = httpx.Request("POST", f"{home.url}/main/", data=form, files={"content": file})
    body, before = request.read(), ledger.replication.standing().serial
    connection = http.client.HTTPConnection("127.0.0.1", home.server.port, timeout=30)
    connection.putrequest("POST", "/main/")
    connection.putheader("Authorization", f"Bearer {secret}")
    for header in ("content-length", "content-type"):
        connection.putheader(header, request.headers[header])
    connection.endheaders(body[:-100])
    time.sleep(0.2)
    tokens, _ = ledger.tokens.all()
    assert ledger.tokens.revoke(tokens[-1].id)
    connection.send(body[-100:])
    response = connection.getresponse()
    assert (response.status, response.reason.partition(" was ")[0]) == (403, f"token {tokens[-1].id}")
    assert ledger.replication.standing().serial == before
    connection.close()


def begin(home: Served, secret: str, rest: bytes, length: int) -> socket.socket:
    """Send an upload up to some point."""
    raw = socket.create_connection(("127.0.0.1", home.server.port), timeout=30)
    head = (
        f"POST /main/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: {length}\r\n"
        "Content-Type: multipart/form-data; boundary=xXx\r\n\r\n"
    )
    raw.sendall(head.encode() + rest)
    return raw


PART = b'--xXx\r\nContent-Disposition: form-data; name="content"; filename="cut-1.0-py3-none-any.whl"\r\n\r\nPK'


def test_an_upload_that_is_cut_off_leaves_nothing(home: Served, secret: str) -> None:
    with begin(home, secret, PART, len(PART)) as raw:
        assert raw.recv(4096).startswith(b"HTTP/1.1 400 the form ends before its last boundary: the upload was cut off")
    with begin(home, secret, PART * 3, 5000):
        pass  # and gone
    deadline = time.monotonic() + 10
    while temporary(home) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert temporary(home) == []
    assert home.versions("main", "cut") == []


def test_who_sends_nothing_more_is_not_waited_for(home: Served, secret: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(upload, "_SILENCE", 0.2)
    with begin(home, secret, PART, 5000) as raw:
        said = b""
        while piece := raw.recv(4096):
            said += piece
    assert said.startswith(b"HTTP/1.1 408 nothing came for 0 seconds; send it again\r\n")
    assert temporary(home) == []


def temporary(home: Served) -> list[Path]:
    """What is left of uploads."""
    return [each for each in (home.home / "cache" / "uploads").rglob("*") if each.is_file()]


def test_many_uploads_at_once_all_arrive_and_pages_are_answered_meanwhile(home: Served, secret: str) -> None:
    wheels = [make_wheel("crowd", f"1.{number}") for number in range(64)]
    with ThreadPoolExecutor(64) as pool:
        uploads = [pool.submit(home.upload, "main", name, content, secret) for name, content in wheels]
        waits = []
        while not all(each.done() for each in uploads):
            began = time.monotonic()
            assert home.get("/other/simple/nothing/").status_code == 404
            waits.append(time.monotonic() - began)
            time.sleep(0.02)
    assert [each.result().status_code for each in uploads] == [200] * 64
    assert home.versions("main", "crowd") == [f"1.{number}" for number in range(64)]
    assert sorted(waits)[len(waits) // 2] < 0.5


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a disk of 8 MiB."""
    if os.geteuid():
        cannot("only root may mount a small disk")
    folder = tmp_path / "disk"
    folder.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=8m", "buildfarm", folder], check=True)
    yield folder
    subprocess.run(["umount", "--lazy", folder], check=True)


def test_a_full_disk_is_told_and_the_index_goes_on(small_disk: Path) -> None:
    with serving(small_disk / "home") as full:
        full.make_index("main", accepts=tuple(Verdict))
        secret = full.make_token("main")
        assert full.upload("main", *make_wheel("disk", "1.0"), secret).status_code == 200
        filler = small_disk / "filler"
        filler.write_bytes(b"x" * (3 << 20))
        wheel = make_wheel("disk", "2.0", files={"disk_data.txt": "x" * (6 << 20)})
        answer = full.upload("main", *wheel, secret)
        assert (answer.status_code, answer.text) == (
            507,
            "the disk of the index is full. Nothing was published: tell its operator\n",
        )
        assert temporary(full) == []
        assert full.said
        assert full.versions("main", "disk") == ["1.0"]
        filler.unlink()
        small = make_wheel("disk", "2.0")
        assert full.upload("main", *small, secret).status_code == 200
        assert full.versions("main", "disk") == ["1.0", "2.0"]


TEXT = st.text(st.characters(codec="utf-8"), max_size=40)
LONG = st.sampled_from(["x" * 300, "9" * 300, "9" * 900, "1.0+" + "a" * 250, "x" * 5000, "9" * 5000])
FILENAMES = st.builds(
    "-".join,
    st.tuples(
        TEXT | LONG | st.just("odd"),
        TEXT | LONG | st.just("1.0"),
        st.sampled_from(["py3-none-any.whl", "1-py3-none-any.whl", "1.tar.gz", "any.zip"]),
    ),
)
CONTENTS = st.binary(max_size=40) | st.sampled_from([make_wheel("odd", "1.0")[1], pages({"index.html": "odd"})])


@given(
    index=st.sampled_from(["main", "main", "main/+pending", "third", "third/+pending", "nowhere", "%00", "x" * 300]),
    filename=TEXT | LONG | FILENAMES,
    content=CONTENTS,
    fields=st.fixed_dictionaries(
        {":action": st.sampled_from(["file_upload", "doc_upload"]) | TEXT},
        optional={
            "name": TEXT | LONG | st.just("odd"),
            "version": TEXT | LONG | st.just("1.0"),
            "filetype": st.sampled_from(["bdist_wheel", "sdist"]) | TEXT,
            "protocol_version": TEXT | LONG,
            "sha256_digest": TEXT | LONG,
            "attestations": TEXT | LONG,
        },
    )
    | st.dictionaries(TEXT, TEXT | LONG, max_size=4),
)
@example(index="main", filename="", content=b"", fields={":action": "doc_upload", "name": "x" * 300, "version": "1"})
@example(index="third", filename="", content=b"", fields={":action": "doc_upload", "name": "x", "version": "1"})
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_form_is_too_odd(
    home: Served, all_rights: str, index: str, filename: str, content: bytes, fields: dict[str, str]
) -> None:
    answer = httpx.post(
        f"{home.url}/{index}/",
        data=fields,
        files={"content": (filename, content)},
        auth=("__token__", all_rights),
        timeout=60,
        trust_env=False,
    )
    assert answer.status_code in (200, 400, 403, 404, 405)
    assert answer.status_code != 200 or content.startswith(b"PK")
    assert answer.status_code == 200 or answer.text.strip()


@given(
    parts=st.lists(
        st.sampled_from(["", "main", "third", "nowhere", "+pending", "simple", "+f", "+doc", "latest", "0" * 64, "odd"])
        | LONG
        | TEXT,
        max_size=6,
    ),
    first=st.sampled_from(["/", "//", "/main/simple/", "/main/+doc/odd/", "/+ui/", "/+ui/main/", "/+ui/search?q="]),
)
@example(parts=["x" * 300, ""], first="/main/simple/")
@example(parts=["9" * 5000, ""], first="/main/+doc/odd/")
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_no_address_is_too_odd(home: Served, first: str, parts: list[str]) -> None:
    answer = home.get(first + "/".join(quote(each, safe="+") for each in parts))
    assert answer.status_code in (200, 301, 302, 307, 308, 400, 401, 404, 422)


def test_a_server_that_is_killed_during_an_upload_leaves_nothing_to_see(farm_of_uploads: Farm) -> None:
    farm = farm_of_uploads
    url, process = started(farm)
    secret = token(farm)
    host, port = url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=30) as raw:
        head = f"POST /main/ HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {secret}\r\nContent-Length: 900000\r\n"
        raw.sendall(f"{head}Content-Type: multipart/form-data; boundary=xXx\r\n\r\n".encode() + PART + b"x" * 600_000)
        folder = farm.home / "cache" / "uploads"
        deadline = time.monotonic() + 20
        while not any(each.is_file() for each in folder.rglob("*")) and time.monotonic() < deadline:
            time.sleep(0.02)
        process.kill()
        process.communicate()
    assert [each for each in folder.rglob("*") if each.is_file()]
    assert farm.page("cut") == ""
    url, process = started(farm)
    assert [each for each in folder.rglob("*") if each.is_file()] == []
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130


@pytest.fixture
def farm_of_uploads(tmp_path: Path) -> Farm:
    """A home of its own with the index ``main``."""
    from buildfarm.adapters.sql.ledger import Ledger  # noqa: PLC0415
    from buildfarm.model.events import IndexConfigured  # noqa: PLC0415
    from buildfarm.model.index import Index  # noqa: PLC0415

    farm = Farm(tmp_path / "home", tmp_path / "projects")
    farm.home.mkdir()
    ledger = Ledger(f"sqlite:///{farm.home / 'ledger.db'}")
    ledger.events.append("main", IndexConfigured(index=Index(name="main")))
    ledger.database.close()
    return farm


def token(farm: Farm) -> str:
    """A token made as a person makes it."""
    done = farm.run("token", "create", "--index", "main", "--right", "upload", "--expires", "1d", "--note", "the tests")
    assert done.code == 0, done.err
    assert "password = SECRET" in done.err
    listed = farm.run("token", "list", "--json").json["tokens"]
    assert [(each["index"], each["right"], each["state"]) for each in listed][-1] == ("main", "upload", "live")
    return done.out.strip()


def started(farm: Farm) -> tuple[str, subprocess.Popen[str]]:
    """A server by the command line, and where it is."""
    process = farm.start("serve", "--port", "0", "--jobs", "0")
    assert process.stderr is not None
    line = process.stderr.readline()
    assert line.startswith("serving "), line + process.stderr.read()
    return line.split(" at ")[1].split("/ until")[0], process


def test_tokens_by_the_command_line(farm_of_uploads: Farm) -> None:
    farm = farm_of_uploads
    url, process = started(farm)
    try:
        secret = token(farm)
        name, content = make_wheel("tokens", "1.0")
        (farm.folder / name).write_bytes(content)
        publish = ("publish", "--publish-url", f"{url}/main/", "--token", secret, str(farm.folder / name))
        done = run(farm.folder, uv.find_uv_bin(), *publish)
        assert done.returncode == 0, done.stdout
        identity = farm.run("token", "list", "--json").json["tokens"][-1]["id"]
        assert farm.run("token", "revoke", identity).code == 0
        assert farm.run("token", "revoke", identity, 99).code == 1
        time.sleep(1.1)
        done = run(farm.folder, uv.find_uv_bin(), *publish)
        assert f"token {identity} was revoked" in done.stdout
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=60)
    assert process.returncode == 130
    refused = farm.run("token", "create", "--index", "mian", "--right", "read")
    assert refused.code == 2
    assert "there is no index 'mian'; those that there are: main" in refused.err
