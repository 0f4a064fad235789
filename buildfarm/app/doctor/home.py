"""The folder of all state: its file system, its space, and the ledger."""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

from buildfarm.adapters.host.disk import RESERVE
from buildfarm.adapters.sql.migrations import MIGRATIONS
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.doctor.report import FIX, Check, State
from buildfarm.model.recipe import GIB
from buildfarm.model.size import size

_ENOUGH = 5 * GIB  # tools and caches take one, each job up to some
_FEW = 50_000  # inodes: tools take ten thousand


def look(patient: Patient) -> Iterator[Check]:
    """Whether state can be kept."""
    home, origin = patient.settings.home, patient.settings.origins["home"]
    there = next(each for each in (home, *home.parents) if each.exists())
    if not (there.is_dir() and os.access(there, os.W_OK | os.X_OK)):
        what = "cannot be written to" if there == home else f"cannot be made in {there}"
        message = f"{home} ({origin}) {what}; choose another with --home or BUILDFARM_HOME"
        yield Check(name="home", state=State.BROKEN, message=message)
        return
    if there == home:
        yield Check(name="home", state=State.OK, message=f"{home} ({origin})")
        yield _file_system(home)
    else:
        yield Check(name="home", state=State.NOTE, message=f"{home} ({origin}): the first build makes it", fix=FIX)
    yield _space(there)
    yield _inodes(there)
    yield _ledger(patient.settings.ledger)


def _file_system(home: Path) -> Check:
    """Tried in a folder of its own: what the ledger, the store and the owners of jobs rely on."""
    lacking = []
    with tempfile.TemporaryDirectory(prefix="doctor.", dir=home) as folder:
        file, linked, renamed = (Path(folder, name) for name in ("file", "linked", "renamed"))
        for each in (file, renamed):
            each.touch()
        for what, attempt in (
            ("hard links", lambda: os.link(file, linked)),
            ("renames onto a file", lambda: linked.replace(renamed)),
            ("symbolic links", lambda: linked.symlink_to(file)),
            ("locks", lambda: _lock(file)),
        ):
            try:
                attempt()
            except OSError as error:
                lacking.append(f"{what} ({error.strerror})")
    if lacking:
        message = f"lacks {', '.join(lacking)}: put the home on a local disk"
        return Check(name="file system", state=State.BROKEN, message=message)
    return Check(name="file system", state=State.OK, message="locks, links and renames work")


def _lock(file: Path) -> None:
    with file.open("rb+") as held:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)


def _space(place: Path) -> Check:
    free = shutil.disk_usage(place).free
    message = f"{size(free)} free"
    if free < RESERVE:
        return Check(name="space", state=State.BROKEN, message=f"{message}: nothing can be built; free some")
    if free < _ENOUGH:
        return Check(name="space", state=State.WARNING, message=f"{message}: large projects need more")
    return Check(name="space", state=State.OK, message=message)


def _inodes(place: Path) -> Check:
    status = os.statvfs(place)
    if not status.f_files:
        return Check(name="inodes", state=State.OK, message="not limited")
    message = f"{status.f_favail:,} free"
    if status.f_favail < _FEW:
        return Check(name="inodes", state=State.WARNING, message=f"{message}: the tool-chain alone takes 10,000")
    return Check(name="inodes", state=State.OK, message=message)


def _ledger(file: Path) -> Check:
    """Opened to read only: nothing is migrated here."""
    known = MIGRATIONS[-1][0]
    if not file.exists():
        return Check(name="ledger", state=State.NOTE, message="the first build makes it")
    try:
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True, timeout=1.0)) as connection:
            (version,) = connection.execute("SELECT max(number) FROM migrations").fetchone()
            (jobs,) = connection.execute("SELECT count(*) FROM jobs").fetchone()
    except sqlite3.Error as error:
        message = f"{file} cannot be read: {error}; restore it, or move it away to begin anew"
        return Check(name="ledger", state=State.BROKEN, message=message)
    if version > known:
        message = f"{file} is of version {version}, this buildfarm knows {known}: install a newer buildfarm"
        return Check(name="ledger", state=State.BROKEN, message=message)
    ahead = "" if version == known else f"; the next build brings it to {known}"
    return Check(name="ledger", state=State.OK, message=f"version {version}{ahead}, {jobs} jobs")
