"""Which farm a home is, among all that share an engine."""

from __future__ import annotations

import contextlib
import os
import secrets
from pathlib import Path

from buildfarm.model.errors import FarmError


def identity(home: Path) -> str:
    """A random name, kept in the home and made by the first who asks: the paths of two homes can be equal, as in two
    containers. Raises ``FarmError`` when it cannot be kept.
    """
    kept, name = home / "farm", secrets.token_hex(8)
    new = home / f"farm.{name}"
    try:
        with contextlib.suppress(FileNotFoundError):
            return kept.read_text(encoding="ascii").strip()
        home.mkdir(parents=True, exist_ok=True)
        new.write_text(f"{name}\n", encoding="ascii")
        try:
            with contextlib.suppress(FileExistsError):
                os.link(new, kept)  # whole, or not at all
        finally:
            new.unlink()
        return kept.read_text(encoding="ascii").strip()
    except OSError as error:
        raise FarmError(f"cannot write {kept}: {error.strerror}; make it writable, or choose another home") from error
