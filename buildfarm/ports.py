"""The seams: Protocols. A docstring is what an implementer promises.

Worker side: Claims, Store, Log, Runner, Session. Coordinator side: Requests, Jobs, Locks, Events, Replication, Primary,
Rendering, Tokens, Learning, Sources, Shelf, Outlet, Resolver, Packages, Crates, Tree, Bell, Owners. ``tests/contract``
holds every adapter to the same promises.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import IO, Protocol, TypeVar

from buildfarm.model.distribution import Outgoing
from buildfarm.model.events import FilePublished, IndexEvent, Payload
from buildfarm.model.facts import KnownSource, KnownWheel
from buildfarm.model.index import Index
from buildfarm.model.job import BuildJob, BuildRequest, Environment, Input, Job, Lease, Lock, LockedWheel, Worker
from buildfarm.model.origin import Offer
from buildfarm.model.outcome import Outcome, Reason
from buildfarm.model.recipe import Recipe
from buildfarm.model.records import Beat, JobRow, Publication, Resolution
from buildfarm.model.session import Command, Completed, Content, Endpoint, Fallen, Layout, SessionSpec, Sink, Stop
from buildfarm.model.standing import Changes, Standing
from buildfarm.model.system import Crate, SeenPackage, SystemPackage
from buildfarm.model.token import Token
from buildfarm.model.wheel import Artifact, TestReport

T = TypeVar("T")

# ------------------------------------------------------------------------------------------------ worker side


class Claims(Protocol):
    """The worker's view of the ledger."""

    def claim(self, worker: Worker, request: int | None = None) -> Lease | None:
        """Lease one queued job that the worker can take (of ``request`` only, if given); None when there is none.

        The ledger chooses. Two claims never lease the same job; the token is higher than that of any earlier lease.
        """

    def heartbeat(self, lease: Lease, step: str = "") -> Beat:
        """Extend the lease and note the step that began. ``FENCED``: it is no longer the worker's; ``CANCEL``: end the
        job.
        """

    def finish(self, lease: Lease, outcome: Outcome) -> bool:
        """Record how the attempt ended, with what follows, in one transaction; False when the lease was fenced.

        A second call with the same lease changes nothing and answers False.
        """


class Store(Protocol):
    """Content-addressed files. What is there is whole, never changes, and survives a kill."""

    def put(self, name: str, content: IO[bytes]) -> Artifact:
        """Keep the bytes read from ``content``; equal bytes are kept once. Durable when it returns."""

    def open(self, sha256: str) -> IO[bytes]:
        """The bytes, from the start; raises ``FarmError`` when they are not here."""

    def has(self, sha256: str) -> bool:
        """Whether the bytes are here."""

    def remove(self, sha256: str) -> None:
        """Forget the bytes, if they are here. What the tree has of them stays there."""


class Log(Protocol):
    """Logs of attempts, by the attempt's name."""

    def append(self, attempt: str, chunk: bytes) -> None:
        """Add bytes at the end; visible to readers at once."""

    def read(self, attempt: str) -> bytes:
        """All of it so far; empty for an attempt that wrote nothing."""

    def where(self, attempt: str) -> str:
        """Where a person finds it: a path or URL."""


class Session(Protocol):
    """An open place to run commands. It is ready when ``Runner.open`` returns it, and gone when that context ends."""

    @property
    def layout(self) -> Layout:
        """Its paths. The same for every session of a purpose where the runner can do so, for reproducible bytes."""

    @property
    def isolation(self) -> str:
        """What it really is, for log and provenance: ``bubblewrap (no network), limits by cgroup``."""

    @property
    def packages(self) -> tuple[SeenPackage, ...]:
        """The system packages whose headers and libraries it was given, by name."""

    @property
    def ran(self) -> tuple[Completed, ...]:
        """Every command that ended in it, in their order."""

    @property
    def services(self) -> Mapping[str, Endpoint]:
        """Where the services answer that the session was opened with; their users can log in by now."""

    def fallen(self) -> tuple[Fallen, ...]:
        """Those of its services that run no more: ask after each command of a test, before it counts."""

    def service_logs(self) -> Mapping[str, tuple[str, ...]]:
        """The last lines that each of its services said, by its name."""

    def put(self, at: str, content: Content) -> None:
        """Write bytes or an artifact to the path ``at``, or unpack an archive below it; makes the folders above.

        Refuses a path outside the session's root (``FarmError``), an archive that is not safe (``StepFailed`` at
        prepare).
        """

    def run(self, command: Command) -> Completed:
        """Run it to its end within the limits, output live to the session's sink. No process of it outlives the call.

        A program that does not exist is exit code 127. Raises ``FarmError`` when the end of the command is not known.
        """

    def interact(self, command: Command) -> int:
        """Run it with the standard streams of this process and no limits, for a person; answers its exit code.

        No process of it outlives the call. On a terminal it gets one of its own, with job control.
        """

    def take(self, pattern: str) -> tuple[Artifact, ...]:
        """Fetch the regular files that match an absolute glob into the store, by name; links are not followed."""


class Runner(Protocol):
    """Opens sessions."""

    def open(self, spec: SessionSpec, sink: Sink, stop: Stop) -> AbstractContextManager[Session]:
        """A clean session. On leaving, every process that it started is dead and its folder gone, whatever happened."""

    def sweep(self, live: frozenset[str]) -> tuple[str, ...]:
        """Remove what sessions of owners not in ``live`` left: processes first, then folders. Answers the attempts
        swept.
        """


# ------------------------------------------------------------------------------------------- coordinator side


class Requests(Protocol):
    """Build requests."""

    def submit(self, request: BuildRequest) -> BuildRequest:
        """Insert it, or attach to an open one that wants exactly the same; the answer has its id."""

    def open_requests(self) -> tuple[BuildRequest, ...]:
        """Those that are not closed, oldest first."""

    def resolve(self, request: int, resolution: Resolution) -> None:
        """Remember, once, what each recipe of the request stands for, so that no later look at upstream changes it."""

    def resolution(self, request: int) -> Resolution | None:
        """What ``resolve`` remembered; None before."""

    def close(self, request: int) -> None:
        """Nothing is left to do for it."""


class Jobs(Protocol):
    """Jobs and what became of them. Every arrow is a compare-and-set with a row in ``transitions``."""

    def insert(self, request: BuildRequest, jobs: Iterable[Job]) -> int:
        """Insert those that are absent as pending and attach all to the request; the count of those that are new to it.

        A failed or cancelled job goes back to pending when the request is new to it and no nightly.
        """

    def rows(self, request: int | None = None, states: frozenset[str] = frozenset()) -> tuple[JobRow, ...]:
        """Jobs of a request (or all) in those states (or any), in the order of insertion."""

    def row(self, key: str) -> JobRow | None:
        """The job with that key."""

    def inputs(self, key: str) -> tuple[Input, ...]:
        """What the job was last prepared with."""

    def prepared(self, key: str, inputs: Iterable[Input], granted: Iterable[str]) -> bool:
        """pending → queued, with the inputs that are now in the store."""

    def unprepared(self, key: str, reason: Reason) -> bool:
        """pending → failed(prepare); no attempt was made."""

    def cancel(self, key: str, who: str) -> bool:
        """pending | queued → cancelled; a running job is told by its heartbeat. False for one that has ended."""

    def reap(self, live: frozenset[str]) -> int:
        """running → queued (or failed(infra) at the limit) for leases that lapsed or whose local owner is not in
        ``live``.
        """


class Locks(Protocol):
    """What was pinned, locked and learnt: written once, kept until somebody raises the generation."""

    def pin(self, name: str, version: str, source: KnownSource) -> KnownSource:
        """Record the source of a version; the first pin wins and is answered. Raises ``RecipeError`` when another hash
        is offered.
        """

    def pinned(self, names: Iterable[str]) -> Mapping[tuple[str, str], KnownSource]:
        """All pins of those projects, by name and version."""

    def keep(self, key: str, lock: Lock) -> Lock:
        """Keep the lock under its key; the first one wins and is answered."""

    def kept(self, key: str) -> Lock | None:
        """The lock kept under the key."""


class Events(Protocol):
    """Publications and the events that pages are made of."""

    def want(self, publication: Publication) -> bool:
        """Insert it as wanted; False when these bytes are wanted or there, when the index has the name with other
        bytes, or when it was deleted and this was built for it.

        The latter is kept as a conflict, never an overwrite; but what the arrival ``replaces`` is withdrawn. Raises
        ``Refused``: 403 where the token of the arrival has ended, 404 where the index was deleted and it was not built.
        """

    def publications(
        self,
        index: str | None = None,
        states: frozenset[str] = frozenset(),
        projects: Collection[str] | None = None,
    ) -> tuple[Publication, ...]:
        """Those on the index, in those states, of those projects (None, none: any), in the order of insertion."""

    def publish(self, publication: Publication, payload: FilePublished) -> str:
        """Append the event of a publication, if it is wanted still and that was not said before.

        Answers empty, or why it is a conflict from now on: the index has the file's name in another spelling.
        """

    def append(self, index: str, payload: Payload, who: str = "", token: int = 0) -> bool:
        """Append the event; False where it is what was said last of the same, by file name and digest, or deletes bytes
        that do not have the name. A file that is deleted is withdrawn with that. With an index go its files, that where
        some wait for it, whatever was to come onto both, and its tokens. Raises ``Refused``: 403 where the token with
        that id has ended, 404 where the index was deleted.

        The first event of an index that was not configured configures it as a new one. Serials are in the order of
        the commits: whoever has read up to one has missed none before it.
        """

    def events(self, index: str, project: str | None = None) -> tuple[IndexEvent, ...]:
        """Events of an index (of one project), in the order of their serials."""

    def of_project(self, project: str) -> tuple[IndexEvent, ...]:
        """Events of a project on every index, in the order of their serials."""

    def since(self, serial: int) -> tuple[IndexEvent, ...]:
        """Every event after that one, in the order of their serials."""

    def latest(self, indexes: Iterable[str], before: int | None, most: int) -> tuple[IndexEvent, ...]:
        """At most so many of the last events of those indexes, of those before that serial if given; newest first."""

    def indexes(self) -> Mapping[str, Index]:
        """All indexes that there are, by name, with their last settings."""

    def projects(self, index: str) -> frozenset[str]:
        """Normalised names of the projects of which the index itself has a file."""

    def names(self, index: str) -> frozenset[str]:
        """Normalised names of the projects that any event of the index is about."""

    def settle(self, publication: Publication, state: str, note: str = "") -> bool:
        """wanted → published | conflict | refused | withdrawn."""

    def remark(self, publication: Publication, note: str) -> None:
        """Say of a published file why it waits still; empty: it is tried again."""


class Replication(Protocol):
    """Which of the homes that have the same events writes them, and events that come from there."""

    def standing(self) -> Standing:
        """Where this home stands."""

    def after(self, serial: int, most: int) -> tuple[IndexEvent, ...]:
        """The first events after that one, at most so many, in the order of their serials."""

    def follow(self, primary: str, epoch: int) -> None:
        """From now on the server at that URL writes, and ``Events.append`` refuses here.

        Raises ``FarmError`` for a lower epoch than this home knows: another home took over from that one.
        """

    def take(self, events: Iterable[IndexEvent]) -> None:
        """Append them as they are, serials too, all or none; raises ``FarmError`` where this home follows nobody."""

    def promote(self) -> Standing:
        """From now on this home writes, in a new epoch; nothing changes where it did before."""


class Primary(Protocol):
    """The server that a replica follows."""

    @property
    def url(self) -> str:
        """Its address, without credentials."""

    def changes(self, since: int) -> Changes:
        """Where it stands and its first events after that one; none only if there are none.

        Raises ``FarmError`` where it does not answer so.
        """

    def fetch(self, path: str, take: Callable[[IO[bytes]], T]) -> T | None:
        """What ``take`` makes of the bytes of the file at a path of its tree; None where it has none."""


class Rendering(Protocol):
    """How far the pages on disk follow the events, so that a tick repeats what lags."""

    def position(self, what: str) -> int:
        """The serial up to which ``what`` is on disk; 0 in the beginning."""

    def advance(self, what: str, serial: int) -> None:
        """It is now, up to that one."""

    def lock(self, what: str, *, shared: bool = False) -> AbstractContextManager[None]:
        """Held by one at a time, or, ``shared``, by several who do not exclude each other."""


class Tokens(Protocol):
    """Who may read indexes and put files onto them. Time is the ledger's."""

    def keep(self, token: Token, digest: str) -> Token:
        """Keep a new token under the sha256 of its secret; ``expires`` is given in seconds from now. Answers it as it
        is kept.
        """

    def find(self, digest: str) -> tuple[Token, float] | None:
        """The token with that sha256, live or not, and the time."""

    def all(self) -> tuple[tuple[Token, ...], float]:
        """All of them, oldest first, and the time."""

    def revoke(self, token: int) -> bool:
        """It counts no more; False for one that is not there or was revoked before."""


class Learning(Protocol):
    """What finished jobs told."""

    def wheels(self, keys: Iterable[str]) -> Mapping[str, KnownWheel]:
        """Verified wheels of those build jobs."""

    def reports(self, keys: Iterable[str]) -> Mapping[str, TestReport]:
        """Reports of those test jobs."""

    def failed(self, request: int) -> frozenset[str]:
        """Keys of the request's jobs that ended as failed or cancelled since it was made."""

    def last(self, names: Iterable[str]) -> Mapping[str, KnownWheel]:
        """The wheel of each project that was verified last."""


class Sources(Protocol):
    """Where sources and locked wheels come from. With network, as Resolver, Packages and Crates are."""

    def releases(self, project: str) -> Mapping[str, Offer]:
        """sdists of a project by normalised version, the best one where there are several; empty for an unknown
        project.

        Raises ``Unavailable`` when upstream cannot be asked, or has files of the project and no sdist among them.
        """

    def fetch(self, origin: str, name: str, sha256: str = "") -> Artifact:
        """Bring a file into the store. With a hash given, other bytes are refused (``Unavailable``, code ``hash``)."""

    def local(self, recipe: Recipe) -> tuple[str, KnownSource]:
        """Version (empty where only running its code would tell) and source of a ``PathSource``: an sdist, or a folder
        packed into one.
        """

    def look(self, artifact: Artifact, patches: tuple[Artifact, ...] = ()) -> KnownSource:
        """What the files of a fetched source tell after those patches, its origin left empty.

        Refuses archives that are not safe (``Unavailable``, code ``archive``) and patches that do not fit
        (``StepFailed``).
        """


class Shelf(Protocol):
    """Somewhere that has distributions of projects: an index, a folder, a web server's listing, an export."""

    def projects(self) -> tuple[str, ...]:
        """Normalised names of all projects. Raises ``Unavailable`` where it cannot be asked, as ``offers`` does."""

    def offers(self, project: str) -> tuple[Offer, ...]:
        """All its files of the project; empty when it does not know it."""


class Outlet(Protocol):
    """Somewhere else that distributions are published to: another index, a folder.

    Raises ``Refused`` for what it does not take, 409 where it has the name with other bytes; ``FarmError`` where it
    cannot be reached.
    """

    def has(self, project: str) -> Mapping[str, str]:
        """Its files of the project by name, and their sha256, empty where it does not tell."""

    def put(self, file: Outgoing, content: IO[bytes]) -> None:
        """Publish the file there; its bytes from the start."""


class Resolver(Protocol):
    """Locks requirements."""

    def lock(self, requirements: Iterable[str], environment: Environment, index: str) -> Lock:
        """Exact wheels for the requirements and all they require, in that environment; the index first, then upstream.

        Wheels only, no direct references. Raises ``Unavailable`` (code ``requirements``) when there are none.
        """

    def fetch(self, wheel: LockedWheel) -> Artifact:
        """Bring a locked wheel into the store, checked against its hash."""


class Packages(Protocol):
    """Where system packages come from."""

    def lock(self, names: Iterable[str]) -> tuple[SystemPackage, ...]:
        """Exactly what the packages need on a system that has a C library, with themselves and pkg-config, by name.

        Their files are then in the store, for mirrors forget. Raises ``Unavailable``: code ``packages`` for names that
        nothing is known of, ``upstream`` where no mirror answers.
        """

    def fetch(self, package: SystemPackage) -> Artifact:
        """Bring its file into the store, checked against its hash; ``Unavailable`` when it cannot be had."""


class Crates(Protocol):
    """Where packages of Rust come from."""

    def fetch(self, crates: Iterable[Crate], job: BuildJob) -> tuple[Artifact, ...]:
        """Bring them into the store, checked against their hashes; ``job`` has cargo among its system packages.

        Their names end in ``.tar.gz``, which is what they are. Raises ``Unavailable`` (code ``crates``, ``hash``).
        """


class Tree(Protocol):
    """The files that a web server serves."""

    def read(self, path: str) -> bytes | None:
        """The bytes at a relative path; None when there are none."""

    def write(self, path: str, content: bytes) -> None:
        """Replace the file in one step: a reader sees the old or the new bytes. Durable when it returns."""

    def pour(self, path: str, content: IO[bytes]) -> None:
        """``write`` what is read to the end, which may be more than the memory has room for."""

    def spread(self, files: Iterable[tuple[bytes, Iterable[str]]]) -> None:
        """Each of the contents to all of its paths, in their order, as ``write`` does; they may share their bytes."""

    def link(self, path: str, artifact: Artifact) -> bool:
        """Put the store's bytes at the path, create-only. True when equal bytes are there, False when others are."""

    def digest(self, path: str) -> str | None:
        """The sha256 of the file at a path; None when there is none."""

    def remove(self, path: str) -> bool:
        """Remove a file, and the folders that it leaves empty; False when it is not there."""

    def point(self, path: str, target: str) -> None:
        """Let the path lead to a folder beside it or below that, ``target``, in one step: who reads below the path sees
        the old or the new files.
        """

    def clear(self, path: str) -> None:
        """Remove a folder with all that is in it, or what leads to one, if it is there."""

    def names(self, path: str) -> tuple[str, ...]:
        """Names of the files and folders in a folder of the tree, sorted; none where there is no folder."""


class Bell(Protocol):
    """Says that a lane has work. May be lost: who waits also looks from time to time."""

    def ring(self, lane: str) -> None:
        """Wake an idle worker of the lane."""

    def wait(self, seconds: float) -> None:
        """Sleep until a ring, or that long."""


class Owners(Protocol):
    """Which local processes live."""

    def live(self) -> frozenset[str]:
        """Names of owners that hold their lock now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """One line of progress for a person. ``job`` may be empty: then it is about the farm itself."""

    job: str
    step: str
    message: str


class Report(Protocol):
    """Hears news; never control flow."""

    def __call__(self, progress: Progress) -> None:
        """Show it, or not."""


def no_report(progress: Progress) -> None:
    """Hear nothing."""
