from __future__ import annotations

from pathlib import Path

import pytest

from buildfarm.adapters.host import bubblewrap
from buildfarm.adapters.host.process import Ending
from buildfarm.model.errors import FarmError
from buildfarm.model.session import Ended

CHILD = '{ "child-pid": 7 }\n'


def read(report: str, ended: Ended = Ended.EXITED) -> int:
    ending = Ending(ended=ended, exit_code=1, report=report, written=0, tail=("bwrap: no",))
    return bubblewrap.read(ending).exit_code


def test_an_exit_code_is_read() -> None:
    assert read(CHILD + '{ "exit-code": 3 }\n\nend 3 0\n') == 3
    assert read(CHILD + '{ "exit-code": 137 }\n\nend 137 0\n') == 137


def test_a_signal_that_the_shell_announced_is_negative() -> None:
    assert read(CHILD + 'Killed\n{ "exit-code": 137 }\n\nend 137 0\n') == -9
    assert read(CHILD + "sh: line 1: 4 Segmentation fault (...)\n" + '{ "exit-code": 139 }\n\nend 139 0\n') == -11


def test_without_one_the_sandbox_failed_unless_we_ended_it() -> None:
    with pytest.raises(FarmError, match="the sandbox failed: bwrap: no"):
        read(CHILD + "\nend 1 0\n")
    assert read(CHILD + "\nend -9 0\n", Ended.WALL) == 1


def test_a_program_that_is_no_bubblewrap_is_not_found(tmp_path: Path) -> None:
    fake = tmp_path / "bwrap"
    fake.write_text("#!/bin/sh\nexit 1\n")
    fake.chmod(0o755)
    assert bubblewrap.find(str(tmp_path)) != str(fake)
