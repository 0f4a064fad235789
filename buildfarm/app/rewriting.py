"""Recipe files rewritten by a tool: read as they are, all of them written or none."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from difflib import unified_diff
from pathlib import Path

from buildfarm.model.errors import RecipeError


@dataclass(frozen=True, slots=True, kw_only=True)
class Rewrite:
    """A file with its text before and after; line ends as in the file."""

    path: Path
    before: str
    after: str

    @property
    def changes(self) -> bool:
        """Whether there is anything to write."""
        return self.before != self.after

    @property
    def diff(self) -> str:
        """The change as a unified diff."""
        before, after = (text.splitlines(keepends=True) for text in (self.before, self.after))
        return "".join(unified_diff(before, after, str(self.path), str(self.path)))


def text_of(path: Path) -> str:
    """The text of a file, its line ends untouched; raises ``RecipeError`` where it cannot be read."""
    try:
        return path.read_bytes().decode("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{path} cannot be read: {error}; name a UTF-8 text file") from error


def write_all(rewrites: Iterable[Rewrite]) -> None:
    """Write every file that changes: first all beside their places, then each into its own.

    Raises ``RecipeError`` where one cannot be written, or changed since it was read; then none is.
    """
    with ExitStack() as stack:
        ready: list[tuple[Path, Path]] = []
        for rewrite in (each for each in rewrites if each.changes):
            place = rewrite.path.resolve()  # a link stays one
            if text_of(place) != rewrite.before:
                raise RecipeError(f"{rewrite.path} changed since it was read; nothing was written. Try again")
            try:
                with tempfile.NamedTemporaryFile(dir=place.parent, prefix=f".{place.name}.", delete=False) as aside:
                    stack.callback(Path(aside.name).unlink, missing_ok=True)
                    aside.write(rewrite.after.encode())
                shutil.copymode(place, aside.name)
            except OSError as error:
                raise RecipeError(f"{rewrite.path} cannot be written: {error.strerror}; nothing was written") from error
            ready.append((Path(aside.name), place))
        for aside_, place in ready:
            aside_.replace(place)
