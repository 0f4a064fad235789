"""Who may read what: private indexes, their heirs, their files, and tokens that end."""

from __future__ import annotations

import time
from base64 import b64encode
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from buildfarm.app.server.access import Access, secret_in
from buildfarm.app.tokens import make_token
from buildfarm.model.errors import FarmError
from buildfarm.model.events import IndexConfigured, IndexDeleted
from buildfarm.model.index import Index
from buildfarm.model.token import EVERY, Right, Token
from tests.unit.app.server.conftest import WHEEL, Answer, Ask, House

SECRET = f"/company/secret/{WHEEL}"


@pytest.fixture
def closed(house: House) -> House:
    """``company/secret`` is private, ``company/open`` and ``company/own`` inherit from it; the last is private too."""
    house.make_index("company/secret", private=True)
    house.make_index("company/own", bases=("company/secret",), private=True)
    for path in ("company/secret", "company/own", "company/secret/+pending"):
        at = house.tree / path / "simple/farm-tools/index.html"
        at.parent.mkdir(parents=True)
        at.write_text("<a>secret")
    file = house.tree / SECRET[1:]
    file.parent.mkdir(parents=True)
    file.write_bytes(b"wheel")
    return house


@pytest.fixture
def ask(house: House) -> Ask:
    """On the wire it is as in the process: see test_reading.py."""
    return house.ask


def secret_of(house: House, index: str, right: Right = Right.READ, expires: float | None = None) -> str:
    _, secret = make_token(house.server.ledger.tokens, Token(index=index, right=right, expires=expires))
    return secret


def basic(secret: str, user: str = "__token__") -> str:
    return f"Basic {b64encode(f'{user}:{secret}'.encode()).decode()}"


@pytest.mark.parametrize(
    "path",
    [
        "/company/secret/simple/",
        "/company/secret/simple",
        "/company/secret/simple/farm-tools/",
        "/company/secret/simple/Farm_Tools",
        "/company/secret/simple/nothing/",
        "/company/secret/+pending/simple/farm-tools/",
        SECRET,
        f"{SECRET}.metadata",
        f"/company/secret/+f/{'0' * 64}/nothing-1.0.zip",
    ],
)
def test_a_private_index_answers_alike_whatever_is_there(closed: House, ask: Ask, path: str) -> None:
    answer = ask(path)
    assert answer.status == 401
    assert answer.headers["WWW-Authenticate"] == 'Basic realm="buildfarm", charset="UTF-8"'
    index = "company/secret/+pending" if "+pending" in path else "company/secret"
    assert answer.body.decode() == f"{index} is private: give a token for it as the password, user __token__.\n"
    assert answer.headers["Location"] is None
    other = ask(path, Authorization=basic(secret_of(closed, "main")))
    assert other.status == 403


def test_the_files_of_an_index_that_was_deleted_are_nobodys(closed: House, ask: Ask) -> None:
    header = basic(secret_of(closed, "company/secret"))
    closed.server.ledger.events.append("company/secret", IndexDeleted())
    closed.forget()
    for path in (SECRET, "/company/secret/simple/farm-tools/"):
        assert (closed.tree / path[1:]).exists()
        assert [ask(path).status, ask(path, Authorization=header).status] == [404, 404]
    assert ask("/+api/v1/changes").status == 401, "it was private once"
    closed.make_index("company/secret", private=True)
    assert ask(SECRET, Authorization=header).status == 401, "its token went with it"


def test_an_index_is_seen_as_soon_as_it_is_made(closed: House, ask: Ask) -> None:
    assert ask("/company/new/simple/").status == 404
    closed.server.ledger.events.append("company/new", IndexConfigured(index=Index(name="company/new")))
    at = closed.tree / "company/new/simple/index.html"
    at.parent.mkdir(parents=True)
    at.write_bytes(b"new")
    time.sleep(0.06)
    assert ask("/company/new/simple/").body == b"new"
    closed.server.ledger.events.append("company/new", IndexDeleted())
    closed.forget()


@pytest.mark.parametrize(
    "authorization",
    [basic, lambda it: basic(it, "anybody"), lambda it: f"Bearer {it}", lambda it: basic("", it)],
)
def test_a_token_opens_its_index(closed: House, ask: Ask, authorization: object) -> None:
    assert callable(authorization)
    header = authorization(secret_of(closed, "company/secret"))
    page = ask("/company/secret/simple/farm-tools/", Authorization=header)
    assert (page.status, page.body) == (200, b"<a>secret")
    assert page.headers["Cache-Control"] == "private, max-age=0, must-revalidate"
    file = ask(SECRET, Authorization=header)
    assert (file.status, file.headers["Cache-Control"]) == (200, "private, max-age=31536000, immutable")
    assert ask("/company/secret/+pending/simple/farm-tools/", Authorization=header).status == 200
    assert ask("/company/own/simple/farm-tools/", Authorization=header).status == 403


def test_whoever_may_upload_may_read(closed: House, ask: Ask) -> None:
    header = basic(secret_of(closed, "company/secret", Right.UPLOAD))
    assert ask("/company/secret/simple/farm-tools/", Authorization=header).status == 200


def test_files_of_a_base_are_for_readers_of_its_heirs_and_its_pages_are_not(closed: House, ask: Ask) -> None:
    header = basic(secret_of(closed, "company/own"))
    assert ask("/company/own/simple/farm-tools/", Authorization=header).status == 200
    assert ask(SECRET, Authorization=header).status == 200
    assert ask("/company/secret/simple/farm-tools/", Authorization=header).status == 403


def test_a_token_for_every_index_reads_them_all(closed: House, ask: Ask) -> None:
    header = basic(secret_of(closed, EVERY))
    for index in ("company/own", "company/secret"):
        assert ask(f"/{index}/simple/farm-tools/", Authorization=header).status == 200


def test_what_is_public_asks_nobody(closed: House, ask: Ask) -> None:
    for header in (basic("bf-nonsense"), "Basic ???", "Digest x", "", "Bearer "):
        assert ask("/main/simple/farm-tools/", Authorization=header).status == 200


def test_the_front_page_keeps_quiet_about_what_is_private(closed: House, ask: Ask) -> None:
    assert b"company/secret" not in ask("/+ui/").body
    assert b"company/secret" in ask("/+ui/", Authorization=basic(secret_of(closed, "company/secret"))).body


def test_a_token_that_ended_says_so(closed: House, ask: Ask) -> None:
    def read(secret: str) -> Answer:
        return ask("/company/secret/simple/farm-tools/", Authorization=basic(secret))

    tokens = closed.server.ledger.tokens
    token, secret = make_token(tokens, Token(index="company/secret", right=Right.READ))
    expired, late = make_token(tokens, Token(index="company/secret", right=Right.READ, expires=-1))
    assert read(secret).status == 200
    assert (read(late).status, read(late).body) == (
        401,
        f"token {expired.id} has expired: ask for another (buildfarm token create).\n".encode(),
    )
    tokens.revoke(token.id)
    deadline = time.monotonic() + 5
    while (answer := read(secret)).status == 200 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert (answer.status, answer.body) == (
        401,
        f"token {token.id} was revoked: ask for another (buildfarm token create).\n".encode(),
    )
    assert deadline - time.monotonic() > 3.5  # it took a second, and no more
    assert read("bf-unknown").body == b"the token is none of this server.\n"


def test_the_ledger_is_asked_once_a_second() -> None:
    asked: list[str] = []

    def indexes() -> dict[str, Index]:
        asked.append("indexes")
        return {"main": Index(name="main")}

    access = Access(indexes, lambda digest: asked.append(digest[:2]))
    assert access.ready("") is None
    for _ in range(5):
        access.reader("")
        access.reader("Bearer x")
    assert asked == ["indexes", "2d"]
    assert access.ready("") is not None
    assert access.ready("Bearer y") is None


def test_while_the_ledger_cannot_be_read_what_it_said_last_goes_on(tmp_path: Path) -> None:
    house = House(tmp_path / "home")
    house.make_index("secret", private=True)
    for index in ("main", "secret"):
        (house.tree / index / "simple").mkdir(parents=True)
        (house.tree / index / "simple/index.html").write_text(index)
    ledger, access = house.settings.ledger, house.server.serving.access
    token, secret = make_token(house.server.ledger.tokens, Token(index="secret", right=Right.READ))
    short, other = secret_of(house, "secret", expires=60), secret_of(house, "secret")

    def answers(after: float = 2) -> list[int]:
        """So many seconds later: what is public, what is private for nobody, for two tokens, and for one not known."""
        access._anybody = (access._anybody[0] - after, access._anybody[1])
        for digest, (at, found) in access._tokens.items():
            access._tokens[digest] = (at - after, found)
        asked = [("/main/simple/", other), *(("/secret/simple/", each) for each in ("", secret, short, other))]
        return [house.ask(path, Authorization=each and basic(each)).status for path, each in asked]

    with house.server:
        house.ask("/main/simple/")
        for each in (secret, short):
            house.ask("/secret/simple/", Authorization=basic(each))
        house.server.ledger.database.close()
        whole = ledger.read_bytes()
        ledger.write_bytes(b"nonsense" * 1000)
        assert answers() == answers() == [200, 401, 200, 200, 503]
        assert answers(60) == [200, 401, 200, 401, 503], "a token expires without the ledger"
        assert house.ask("/secret/", method="POST", Authorization=basic(other)).status == 503
        with pytest.raises(FarmError, match="file is not a database"):
            house.ask("/+health")
        house.server.ledger.database.close()
        ledger.write_bytes(whole)
        house.server.ledger.tokens.revoke(token.id)
        assert answers() == [200, 401, 401, 200, 200]


def test_tokens_of_strangers_do_not_fill_the_memory() -> None:
    access = Access(dict, lambda _: None)
    for number in range(1500):
        access.reader(f"Bearer {number}")
    assert len(access._tokens) == 1024


@given(st.text(max_size=60) | st.binary(max_size=60).map(lambda it: f"Basic {b64encode(it).decode()}"))
def test_no_authorization_is_too_odd(authorization: str) -> None:
    assert isinstance(secret_in(authorization), str)


@pytest.mark.parametrize(
    ("uri", "status"),
    [
        ("/main/simple/farm-tools/", 204),
        ("/company/secret/simple/farm-tools/?x", 401),
        (SECRET, 401),
        (f"/main/{WHEEL}", 204),
        ("/+ui/", 204),
        ("", 204),
    ],
)
def test_a_web_server_in_front_asks_what_may_be_read(closed: House, ask: Ask, uri: str, status: int) -> None:
    answer = ask("/+auth", X_Original_URI=uri)
    assert answer.status == status
    if status == 401:
        assert answer.headers["WWW-Authenticate"].startswith("Basic ")
        header = basic(secret_of(closed, "company/secret"))
        assert ask("/+auth", X_Original_URI=uri, Authorization=header).status == 204
        assert ask("/+auth", X_Original_URI=uri, Authorization=basic(secret_of(closed, "main"))).status == 403


def test_it_says_that_it_is_well(ask: Ask) -> None:
    answer = ask("/+health")
    assert (answer.status, answer.headers["X-Content-Type-Options"]) == (200, "nosniff")
