"""Carries out one order in a session's container: run a command, converse with a person, or end whatever runs.

The order is a marshalled dictionary on standard input, or in hexadecimal digits in the variable BUILDFARM_ORDER where a
person has that stream. What comes there later ends the command. What the command says goes to standard output, and to a
file for those who come when the stream is lost. Standard error says ``begun`` first, and then an empty line every two
seconds, as a sign of life; its last line is a JSON object that tells how the command ended, which is written to a file
as well, whole or not at all, when no other process is left. The exit code is that of the command as a shell would tell
it.
"""

# This starts once for every command: json and signal would double its time.

from __future__ import annotations

import marshal
import os
import select
import sys
import time

from buildfarm.adapters.container.inside.dumpable import dumpable
from buildfarm.adapters.container.inside.output import Output
from buildfarm.adapters.container.inside.watch import Watch, answer, counters, started

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Mapping
    from typing import Any, NoReturn
else:
    import _signal as signal

_ROUNDS = 500  # of 20 ms, in which whatever is left must die
_CHUNK = 65536
_BEAT = 2.0  # seconds between two signs of life


def main() -> None:
    """Carry out the order."""
    dumpable(0)  # or the command could write our report
    said = os.environ.pop("BUILDFARM_ORDER", "")
    order: dict[str, Any] = marshal.loads(bytes.fromhex(said)) if said else _order()
    does = {"run": run, "converse": converse, "end": end}
    sys.exit(does[order["do"]](order))


def _order() -> Any:
    with open(0, "rb", buffering=0, closefd=False) as stream:
        return marshal.load(stream)


# ------------------------------------------------------------------------------------------------------------- run


def run(order: dict[str, Any]) -> int:
    """Run the command to its end, and end all that it started."""
    for source, target in order["caches"]:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if answer(started(("cp", "-a", source, target)))[1]:
            sys.exit(f"cannot copy {source} to {target}")
    woken, wake = os.pipe()
    for descriptor in (woken, wake):
        os.set_blocking(descriptor, False)
    signal.set_wakeup_fd(wake, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    os.write(2, b"begun\n")
    signal.signal(signal.SIGALRM, lambda *_: _say(b"\n"))
    signal.setitimer(signal.ITIMER_REAL, _BEAT, _BEAT)
    watch = Watch(order["volume"], order["disk"], order["cpu"], order["logged"])
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        _become(order, lambda: _speak_to(writing))
    os.close(writing)
    output = Output(reading, order["log"], order["room"])
    code = _await(child, woken, watch, output)
    left = _end_all()
    output.finish()
    report = {**watch.said(code), "code": code, "left": left, **output.said()}
    _tell(report, order["result"])
    return _as_a_shell(code)


def _await(child: int, woken: int, watch: Watch, output: Output) -> int:
    """The exit code of the command, negative for a signal; of SIGKILL when it must end before."""
    leash = [0]
    while True:
        readable = [*leash, woken, *watch.weight(), *output.wants_to_read()]
        ready, free, _ = select.select(readable, output.wants_to_write(), [], watch.pause())
        if 0 in ready:
            if os.read(0, _CHUNK):
                return -signal.SIGKILL
            leash = []  # the stream is lost, which is no reason to end
        output.move(ready, free)
        watch.read(ready)
        if watch.breaks(output.kept):
            return -signal.SIGKILL
        if woken in ready:
            os.read(woken, _CHUNK)
        reaped, status = os.waitpid(child, os.WNOHANG)
        if reaped:
            return os.waitstatus_to_exitcode(status)


def _become(order: dict[str, Any], join: Callable[[], None]) -> NoReturn:
    """Turn the forked child into the command; ends as a shell would where there is no such program or folder."""
    argv = order["argv"]
    try:
        dumpable(1)
        os.umask(0o022)
        join()
        os.chdir(order["cwd"])
    except OSError as error:
        _give_up(126, f"cannot enter {order['cwd']}: {error.strerror}")
    try:
        with open("/proc/self/oom_score_adj", "w") as file:
            file.write("1000")  # when there is no memory left, the kernel shall end this, and neither us nor the engine
        there = sorted(os.sched_getaffinity(0))
        os.sched_setaffinity(0, {there[each % len(there)] for each in order.get("processors") or there})
        for ignored in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTTOU):
            signal.signal(ignored, signal.SIG_DFL)
        os.execvpe(argv[0], argv, order["env"])
    except (FileNotFoundError, NotADirectoryError):
        _give_up(127, f"{argv[0]}: not found")
    except OSError as error:
        _give_up(126, f"{argv[0]}: {error.strerror}")


def _speak_to(pipe: int) -> None:
    os.setsid()
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    for descriptor in (1, 2):
        os.dup2(pipe, descriptor)


def _give_up(code: int, message: str) -> NoReturn:
    os.write(2, message.encode(errors="replace") + b"\n")
    os._exit(code)


def _as_a_shell(code: int) -> int:
    return 128 - code if code < 0 else code


def _json(report: Mapping[str, object]) -> bytes:
    """Of numbers and plain words."""
    told = (
        f'"{name}": "{value}"' if isinstance(value, str) else f'"{name}": {value}' for name, value in report.items()
    )
    return f"{{{', '.join(told)}}}".encode()


def _tell(report: Mapping[str, object], result: str) -> None:
    said = _json(report)
    try:
        with open(result + ".new", "xb") as file:
            file.write(said)
        os.rename(result + ".new", result)
    except OSError:  # the command removed the folder; the stream tells
        pass
    signal.setitimer(signal.ITIMER_REAL, 0)
    _say(said + b"\n")


def _say(said: bytes) -> None:
    try:
        os.write(2, said)
    except OSError:  # nobody is at the other end any more
        pass


# ------------------------------------------------------------------------------------------------------------- end


def end(_order: dict[str, Any]) -> int:
    """End all processes but the first and this one; tells the counters."""
    report = {"left": _end_all(), **counters()}
    os.write(2, _json(report) + b"\n")
    return 0


def _end_all() -> int:
    """Kill until none is left; the count of those that would not die."""
    left = 0
    for _ in range(_ROUNDS):
        try:
            os.kill(-1, signal.SIGKILL)  # all at once, so that nothing can fork away; never the first, never us
        except (ProcessLookupError, PermissionError):
            pass
        left = _others()
        if not left:
            return 0
        time.sleep(0.02)
    return left


def _others() -> int:
    """How many processes there are but the first and this one; dead ones do not count."""
    count = 0
    for name in os.listdir("/proc"):
        if name.isdigit() and int(name) not in (1, os.getpid()):
            try:
                with open(f"/proc/{name}/stat", "rb") as file:
                    count += file.read().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
            except OSError:
                pass
    return count


# -------------------------------------------------------------------------------------------------------- converse


def converse(order: dict[str, Any]) -> int:
    """Run a command that a person talks to, on the streams of this process; end all that it started."""
    for ignored in (signal.SIGINT, signal.SIGQUIT, signal.SIGTTOU):
        signal.signal(ignored, signal.SIG_IGN)
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGQUIT, signal.SIG_DFL)
        _become(order, lambda: None)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    _end_all()
    return _as_a_shell(code)


if __name__ == "__main__":
    main()
