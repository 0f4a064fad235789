"""What every ``Runner`` that serves promises of services: on this machine, in bubblewrap, and in containers."""

from __future__ import annotations

import errno
import os
import socket
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from buildfarm.adapters.host import bubblewrap
from buildfarm.adapters.host.provision import Provision
from buildfarm.adapters.host.runner import HostRunner
from buildfarm.adapters.host.services import offered
from buildfarm.adapters.store import LocalStore
from buildfarm.model.errors import StepFailed, Stopped
from buildfarm.model.image import Image, Server
from buildfarm.model.job import Environment
from buildfarm.model.recipe import Limits, Service
from buildfarm.model.session import Command, Completed, Endpoint, Purpose, SessionSpec
from buildfarm.model.target import Target
from buildfarm.ports import Runner, Session, no_report

if TYPE_CHECKING:
    from buildfarm.adapters.container.engine import Engine

PYTHON = "/usr/bin/python3"
INSIDE = "/opt/python/cp313-cp313/bin/python3"
SERVE = """
import os, socketserver

class Login(socketserver.StreamRequestHandler):
    def handle(self):
        word = self.rfile.readline().decode().strip()
        if word == "die":
            print("told to die", flush=True)
            os._exit(3)
        seen.append(word)
        self.wfile.write(f"in {len(seen)}".encode() if word == os.environ["PASSWORD"] else b"refused")

seen = []
socketserver.TCPServer.allow_reuse_address = True
with socketserver.TCPServer(("127.0.0.1", int(os.environ["PORT"])), Login) as server:
    open(os.environ["SCRATCH"] + "/written", "w").close()
    print("listening", flush=True)
    server.serve_forever()
"""
LOG_IN = """
import socket, sys
with socket.create_connection((sys.argv[1], int(sys.argv[2])), timeout=5) as server:
    server.sendall(sys.argv[3].encode() + b"\\n")
    said = server.recv(99).decode()
print(said)
sys.exit(not said.startswith("in"))
"""
START = f"echo starting; exec \"$PYTHON\" -c '{SERVE}'"
READY = f'exec "$PYTHON" -c \'{LOG_IN}\' 127.0.0.1 "$PORT" "$WORD"'


def images(python: str) -> dict[str, Image]:
    """Images of servers that are written in Python."""
    login = Server(port=7001, start=START, ready=READY, env={"PASSWORD": "p", "WORD": "p", "PYTHON": python})
    servers = {
        "login": login,
        "closed": replace(login, seconds=5, env={**login.env, "WORD": "wrong"}),
        "dying": replace(login, start="echo no space left >&2; exit 4"),
        "hanging": replace(login, ready="sleep 60", seconds=5),
        "slow": replace(login, ready="sleep 60"),
    }
    return {name: Image(name=name, server=server) for name, server in servers.items()}


@dataclass
class Farm:
    """A runner, the interpreter that its sessions have, and what they heard."""

    runner: Runner
    python: str
    heard: list[bytes] = field(default_factory=list)

    def open(
        self, services: Mapping[str, Service], stop: Callable[[], bool] = lambda: False
    ) -> AbstractContextManager[Session]:
        environment = Environment(
            name="test",
            lane="test",
            target=Target.parse("cp311-manylinux_2_17_x86_64"),
            definition={},
            test_definition={},
        )
        spec = SessionSpec(
            attempt="attempt",
            owner="us",
            purpose=Purpose.TEST,
            environment=environment,
            limits=Limits(wall=60, silence=30),
            services=services,
        )
        return self.runner.open(spec, self.heard.append, stop)

    def log_in(self, session: Session, name: str, word: str = "p") -> Completed:
        at = session.services[name]
        argv = (self.python, "-c", LOG_IN, at.host, str(at.port), word)
        return session.run(Command(argv=argv, cwd=session.layout.root, what="log in"))


def on_host(home: Path, bwrap: str | None) -> Farm:
    given = Provision(python=PYTHON, readable=(PYTHON,))
    runner = HostRunner(home, LocalStore(home / "store"), lambda _: nullcontext(given), bwrap, images=images(PYTHON))
    return Farm(runner=runner, python=PYTHON)


def in_bubblewrap(home: Path) -> Farm:
    bwrap = bubblewrap.find(os.environ.get("PATH", os.defpath))
    if bwrap is None:
        if os.environ.get("CI") == "true":
            pytest.fail("no bubblewrap works here: install it, and allow user namespaces")
        pytest.skip("no bubblewrap works here")
    return on_host(home, bwrap)


def in_containers(home: Path, engine: Engine, test_image: str) -> Farm:
    """Imported here, for the SDK is slow to load."""
    from buildfarm.adapters.container.exports import Exports  # noqa: PLC0415
    from buildfarm.adapters.container.images import Images  # noqa: PLC0415
    from buildfarm.adapters.container.provision import Provision as Given  # noqa: PLC0415
    from buildfarm.adapters.container.runner import ContainerRunner  # noqa: PLC0415
    from buildfarm.adapters.container.services import Services  # noqa: PLC0415

    class Described(Images):
        """All of them are the image that has a Python."""

        def obtain(self, name: str) -> str:
            return test_image if name in self.images else super().obtain(name)

    store = LocalStore(home / "store")
    exports = Exports(store=store, folder=home / "images")
    given = Given(image=test_image, python=INSIDE, interpreter=INSIDE)
    described = Described(engine=engine, images=images(INSIDE), exports=exports, report=no_report)
    runner = ContainerRunner(
        engine=engine,
        store=store,
        provide=lambda *_: nullcontext(given),
        farm=str(home),
        services=Services(engine, described),
    )
    return Farm(runner=runner, python=INSIDE)


ISOLATED = [
    pytest.param("bubblewrap", marks=pytest.mark.host),
    pytest.param("container", marks=pytest.mark.engine),
]


def make(kind: str, request: pytest.FixtureRequest, home: Path) -> Farm:
    if kind == "container":
        return in_containers(home, request.getfixturevalue("engine"), request.getfixturevalue("image")("debian11-test"))
    return in_bubblewrap(home) if kind == "bubblewrap" else on_host(home, None)


@pytest.fixture(params=[pytest.param("plain", marks=pytest.mark.host), *ISOLATED])
def farm(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, request, tmp_path)


@pytest.fixture(params=[pytest.param("plain", marks=pytest.mark.host), ISOLATED[0]])
def host(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, request, tmp_path)


@pytest.fixture(params=ISOLATED)
def isolated(request: pytest.FixtureRequest, tmp_path: Path) -> Farm:
    return make(request.param, request, tmp_path)


def refused(farm: Farm, **services: Service) -> StepFailed:
    with pytest.raises(StepFailed) as caught, farm.open(services):
        pytest.fail("a session that lacks a server must not open")
    assert (caught.value.step, caught.value.reason.code) == ("test", "service")
    return caught.value


def test_commands_log_in_to_one_server_that_outlives_them(farm: Farm) -> None:
    with farm.open({"db": Service(image="login", env={"PASSWORD": "geheim", "WORD": "geheim"})}) as session:
        before = farm.log_in(session, "db", "geheim")
        wrong = farm.log_in(session, "db")
        after = farm.log_in(session, "db", "geheim")
        assert session.fallen() == ()
        assert session.service_logs()["db"][-1] == "listening"
    assert (before.exit_code, after.exit_code) == (0, 0)
    assert int(after.tail[0].split()[1]) == int(before.tail[0].split()[1]) + 2  # it is the same one
    assert (wrong.exit_code, wrong.tail) == (1, ("refused",))


def test_two_servers_in_each_of_two_sessions(isolated: Farm) -> None:
    two = {"a": Service(image="login"), "b": Service(image="login", env={"PASSWORD": "q", "WORD": "q"})}
    with isolated.open(two) as one, isolated.open(two) as other:
        for session in (one, other):
            assert session.services == {
                "a": Endpoint(host="127.0.0.1", port=7001),
                "b": Endpoint(host="127.0.0.1", port=7002),
            }
            assert isolated.log_in(session, "a").ok
            assert isolated.log_in(session, "b", "q").ok
            assert not isolated.log_in(session, "b", "p").ok


@pytest.mark.host
def test_without_isolation_two_sessions_get_two_ports(tmp_path: Path) -> None:
    farm = on_host(tmp_path, None)
    with farm.open({"db": Service(image="login")}) as one, farm.open({"db": Service(image="login")}) as other:
        assert one.services["db"].port != other.services["db"].port
        assert farm.log_in(other, "db").ok


def test_a_server_that_dies_while_tests_run_is_told(farm: Farm) -> None:
    with farm.open({"db": Service(image="login"), "other": Service(image="login")}) as session:
        assert not farm.log_in(session, "db", "die").ok
        (fallen,) = session.fallen()
        assert farm.log_in(session, "other").ok
    assert (fallen.service, fallen.message) == ("db", "the service db (login) ended with exit code 3")
    assert fallen.tail[-1] == "told to die"


@pytest.mark.parametrize(
    ("served", "message", "last"),
    [
        ("closed", "the service db (closed) was not ready after 5 s", "listening"),
        ("hanging", "the service db (hanging) was not ready after 5 s", "listening"),
        ("dying", "the service db (dying) ended with exit code 4", "no space left"),
    ],
)
def test_a_server_that_lets_nobody_in_is_told(farm: Farm, served: str, message: str, last: str) -> None:
    failed = refused(farm, db=Service(image=served), fine=Service(image="login"))
    # On a slow machine the time is over before the first question is answered: by "refused", where it says so.
    assert failed.reason.message.removesuffix(": refused") == message
    assert failed.reason.tail[-1] == last
    log = b"".join(farm.heard).decode()
    assert log.startswith(f"== {failed.reason.message}; its log ends:\n")
    assert log.endswith(f"{last}\n")


def test_what_the_image_does_not_take_is_refused(farm: Farm) -> None:
    failed = refused(farm, db=Service(image="login", env={"PASWORD": "p"}))
    assert failed.reason.sentence == (
        "the service db sets PASWORD, which its image login does not take. "
        "It takes PASSWORD, PYTHON, WORD; did you mean PASSWORD?"
    )


def test_who_is_told_to_stop_does_not_wait_for_a_server(farm: Farm) -> None:
    asked = threading.Event()
    threading.Timer(0.5, asked.set).start()
    began = time.monotonic()
    with pytest.raises(Stopped), farm.open({"db": Service(image="slow")}, asked.is_set):
        pytest.fail("it has no server")
    assert time.monotonic() - began < 30


def test_there_is_no_way_out_beside_a_server(isolated: Farm) -> None:
    script = "import socket, sys; s = socket.socket(); s.settimeout(5); sys.exit(s.connect_ex(('192.0.2.1', 80)))"
    with isolated.open({"db": Service(image="login")}) as session:
        done = session.run(Command(argv=("cat", "/proc/net/dev"), cwd=session.layout.root, what="see the network"))
        argv = (isolated.python, "-c", script)
        out = session.run(Command(argv=argv, cwd=session.layout.root, what="get out"))
    assert [line.split(":")[0].strip() for line in done.tail[2:]] == ["lo"]
    assert out.exit_code == errno.ENETUNREACH


def test_nothing_is_left_of_a_server(farm: Farm, request: pytest.FixtureRequest) -> None:
    with farm.open({"db": Service(image="login")}) as session:
        port = session.services["db"].port
    if isinstance(farm.runner, HostRunner):
        with socket.socket() as asking:
            assert asking.connect_ex(("127.0.0.1", port)) == errno.ECONNREFUSED
        assert not list((request.getfixturevalue("tmp_path") / "sessions").iterdir())
    else:
        found = request.getfixturevalue("engine").client.containers.list(
            all=True,
            filters={"label": f"buildfarm.farm={request.getfixturevalue('tmp_path')}"},
        )
        assert not found


def test_a_person_in_a_session_does_not_end_its_servers(host: Farm) -> None:
    with host.open({"db": Service(image="login")}) as session:
        session.interact(Command(argv=("true",), cwd=session.layout.root, what="look"))
        assert host.log_in(session, "db").ok


def test_what_a_machine_can_serve_is_what_it_has_the_programs_of(tmp_path: Path) -> None:
    for path in ("usr/bin/nsenter", "usr/bin/one", "usr/sbin/two", "usr/lib/three/15/bin/three"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(b"")

    def takes(*programs: str) -> Image:
        return Image(name="x", server=Server(port=1, start="x", ready="x", programs=programs))

    described = {
        "all": takes("one", "two", "three"),
        "some": takes("one", "four"),
        "unsaid": takes(),
        "no": Image(name="no"),
    }
    (before,) = offered(described, tmp_path).items()
    (tmp_path / "usr/sbin/two").write_bytes(b"of another version")
    (after,) = offered(described, tmp_path).items()
    described["all"] = takes("one", "two", "three", "one")
    (otherwise,) = offered(described, tmp_path).items()
    assert {before[0], after[0], otherwise[0]} == {"all"}
    assert len({before[1], after[1], otherwise[1]}) == 3, "its tests run again"
