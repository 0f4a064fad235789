"""The tables of the ledger, as they are after the last migration. JSON columns hold the plain form of model values."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    Boolean,
    Column,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    PrimaryKeyConstraint,
    String,
    Table,
    UniqueConstraint,
    text,
)

metadata = MetaData()

PARTIAL_INDEXES = (
    # In words that every dialect has: asked of SQLAlchemy, each would load the dialects that it names.
    "CREATE UNIQUE INDEX one_open_request ON requests (digest) WHERE state = 'open'",
    "CREATE UNIQUE INDEX one_live_file ON publications (index_name, file) WHERE state IN ('wanted', 'published')",
)


def _table(name: str, *columns: Column[object] | PrimaryKeyConstraint | UniqueConstraint) -> Table:
    return Table(name, metadata, *columns)


def _text(name: str, default: str | None = None) -> Column[object]:
    return Column(name, String, nullable=False, server_default=default)


def _serial(name: str = "id") -> Column[object]:
    return Column(name, Integer, primary_key=True, autoincrement=True)


def _job() -> Column[object]:
    return Column("job", Integer, ForeignKey("jobs.id"), nullable=False)


migrations = _table("migrations", Column("number", Integer, primary_key=True), _text("name"), Column("at", Float))

requests = _table(
    "requests",
    _serial(),
    _text("owner"),
    Column("urgency", Integer, nullable=False),  # 0 pull-request, 1 request, 2 nightly: lower goes first
    _text("index_name"),
    _text("digest"),
    Column("wish", JSON, nullable=False),
    Column("resolution", JSON),
    _text("state"),  # open | closed
    Column("created", Float, nullable=False),
)

pins = _table(
    "pins",
    _text("project"),
    _text("version"),
    _text("file"),
    _text("sha256"),
    Column("source", JSON, nullable=False),
    PrimaryKeyConstraint("project", "version"),
)

locks = _table("locks", Column("key", String, primary_key=True), Column("text", JSON, nullable=False))

learnt = _table("learnt", Column("project", String, primary_key=True), Column("wheel", JSON, nullable=False))

jobs = _table(
    "jobs",
    _serial(),
    _text("key"),
    _text("trust"),
    _text("kind"),
    _text("project"),
    _text("version"),
    _text("target"),
    _text("lane"),
    _text("environment"),  # digest of the definition that the job needs
    Column("spec", JSON, nullable=False),
    _text("state"),
    Column("token", Integer, nullable=False, server_default="0"),
    Column(
        "tries", Integer, nullable=False, server_default="0"
    ),  # leases, without those handed back or ended by a wish
    Column("asked", Integer, nullable=False, server_default="0"),  # times that its hook wanted more
    Column("cancel", Boolean, nullable=False, server_default=text("false")),
    Column("wishes", JSON, nullable=False),
    Column("granted", JSON, nullable=False),
    Column("outcome", JSON),
    UniqueConstraint("key", "trust"),
)
Index("jobs_by_state", jobs.c.state, jobs.c.lane)

request_jobs = _table(
    "request_jobs",
    Column("request", Integer, ForeignKey("requests.id"), nullable=False),
    _job(),
    PrimaryKeyConstraint("request", "job"),
)

job_needs = _table("job_needs", _job(), _text("needs"), PrimaryKeyConstraint("job", "needs"))

job_inputs = _table(
    "job_inputs",
    _job(),
    Column("position", Integer, nullable=False),
    _text("role"),
    _text("sha256"),
    _text("name"),
    Column("size", Integer, nullable=False),
    PrimaryKeyConstraint("job", "position"),
)

attempts = _table(
    "attempts",
    _serial(),
    _job(),
    Column("token", Integer, nullable=False),
    _text("worker"),
    Column("lease_until", Float, nullable=False),
    Column("started", Float, nullable=False),
    Column("ended", Float),
    Column("outcome", JSON),
    UniqueConstraint("job", "token"),
)

steps = _table(
    "steps",
    _serial(),
    Column("attempt", Integer, ForeignKey("attempts.id"), nullable=False),
    _text("step"),
    Column("started", Float, nullable=False),
)

transitions = _table(
    "transitions",
    _serial(),
    _job(),
    _text("before"),
    _text("after"),
    _text("who"),
    _text("note"),
    Column("at", Float, nullable=False),
)

workers = _table("workers", Column("name", String, primary_key=True), Column("lanes", JSON), Column("seen_at", Float))

artifacts = _table("artifacts", Column("sha256", String, primary_key=True), _text("name"), Column("size", Integer))

reports = _table(
    "reports",
    Column("test_key", String, primary_key=True),
    _text("wheel"),
    _text("target"),
    _text("verdict"),
    Column("report", JSON, nullable=False),
)

publications = _table(
    "publications",
    _serial(),
    _text("index_name"),
    _text("file"),
    _text("project"),
    _text("version"),
    _text("wheel"),
    Column("size", Integer, nullable=False),
    _text("content"),
    _text("state"),  # wanted | published | conflict | refused | withdrawn
    _text("note"),
    Column("at", Float, nullable=False),
    _text("build", ""),  # key of the job that made the wheel
    Column("arrival", JSON, nullable=False, server_default="{}"),
)
Index("publications_by_file", publications.c.index_name, publications.c.file)
Index("publications_by_state", publications.c.state, publications.c.index_name)

index_events = _table(
    "index_events",
    _serial("serial"),
    _text("index_name"),
    _text("project"),
    _text("kind"),
    _text("file"),
    Column("payload", JSON, nullable=False),
    Column("at", Float, nullable=False),
    _text("who", ""),
)
Index("events_by_project", index_events.c.index_name, index_events.c.project)
Index("events_of_project", index_events.c.project)

epochs = _table(
    "epochs",
    Column("number", Integer, primary_key=True, autoincrement=False),
    _text("primary"),  # the URL of the server that is written to; empty: this home
    Column("at", Float, nullable=False),
)

positions = _table("positions", Column("name", String, primary_key=True), Column("serial", Integer, nullable=False))

tokens = _table(
    "tokens",
    _serial(),
    _text("digest"),  # sha256 of the secret, which nobody keeps
    _text("index_name"),
    _text("rights"),  # read | upload
    _text("project"),
    _text("note"),
    _text("who"),
    Column("created", Float, nullable=False),
    Column("expires", Float),
    Column("revoked", Float),
    UniqueConstraint("digest"),
)
