"""Sources on the developer's own disk: an sdist, or a folder packed into one, the same bytes for the same folder."""

from __future__ import annotations

import ast
import configparser
import io
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO

from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

from buildfarm.adapters.packed import pack
from buildfarm.adapters.sdists import sdist_version
from buildfarm.model.errors import RecipeError
from buildfarm.model.facts import KnownSource
from buildfarm.model.job import SourcePin
from buildfarm.model.recipe import PathSource, Recipe
from buildfarm.model.session import OLDEST_EPOCH, Archive
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Store
from buildfarm.steps.archive import unpacked
from buildfarm.steps.entry import Entry
from buildfarm.steps.look import SPEAKING, look

# No source, and different on every machine; so are virtual environments, known by their pyvenv.cfg.
_LEFT_OUT = frozenset(
    {".git", ".hg", ".svn", "__pycache__", ".mypy_cache", ".pytest_cache", ".ruff_cache", ".hypothesis", ".tox", ".nox"}
)


def local(recipe: Recipe, store: Store) -> tuple[str, KnownSource]:
    """Version and source of a recipe's ``PathSource``; raises ``RecipeError`` when nothing is there.

    The version of a folder is what PKG-INFO, pyproject.toml, setup.cfg or a literal in setup.py says, in this order;
    empty where only running its code would tell.
    """
    if not isinstance(recipe.source, PathSource):
        raise RecipeError(f"the source of {recipe.name} is no path")
    path = Path(recipe.source.path)
    if path.is_dir():
        version = _said(path)
        stem = f"{canonicalize_name(recipe.name).replace('-', '_')}-{version or 0}"
        artifact = pack(_members(path, stem), f"{stem}.tar.gz", store)
    elif path.is_file():
        with path.open("rb") as content:
            artifact = store.put(path.name, content)
        version = sdist_version(path.name, recipe.name) or ""
    else:
        raise RecipeError(f"the source of {recipe.name}, {path}, is neither a folder nor an sdist; correct the path")
    source = look_into(artifact, store)
    return version, replace(source, pin=replace(source.pin, origin=str(path)))


def look_into(artifact: Artifact, store: Store, patches: tuple[Artifact, ...] = ()) -> KnownSource:
    """What the files of a source in the store tell; the pin's origin is empty, since the bytes do not know it."""
    seen = look(artifact.name, unpacked(Archive(artifact=artifact, patches=patches), store.open))
    return KnownSource(
        pin=SourcePin(artifact=artifact, origin="", epoch=seen.epoch),
        native=seen.native,
        cxx=seen.cxx,
        requires=seen.requires,
        backend=seen.backend,
        backend_path=seen.backend_path,
        requires_python=seen.requires_python,
    )


def kept(store: Store, name: str, sha256: str) -> Artifact | None:
    """The artifact of that hash, under this name, if the store has it and a hash is given."""
    if not sha256 or not store.has(sha256):
        return None
    with store.open(sha256) as content:
        return Artifact(name=name, size=content.seek(0, io.SEEK_END), sha256=sha256)


def _said(folder: Path) -> str:
    speaking = [Entry(path=name, kind="file", opener=_opener(folder / name)) for name in SPEAKING]
    seen = look(str(folder), (entry for entry in speaking if (folder / entry.path).is_file()))
    return _normal(seen.version or _literal_version(folder))


def _opener(path: Path) -> Callable[[], IO[bytes]]:
    return lambda: path.open("rb")


def _literal_version(folder: Path) -> str:
    """The version that setup.cfg or a literal in setup.py says, without running anything; empty when none does."""
    config = configparser.RawConfigParser()
    try:
        config.read(folder / "setup.cfg", encoding="utf-8")
        said = config.get("metadata", "version", fallback="")
        if said and not said.startswith(("attr:", "file:")):
            return said
        for node in ast.walk(ast.parse((folder / "setup.py").read_bytes())):
            if isinstance(node, ast.keyword) and node.arg == "version" and isinstance(node.value, ast.Constant):
                return str(node.value.value)
    except (OSError, ValueError, SyntaxError, configparser.Error):
        pass
    return ""


def _normal(version: str) -> str:
    try:
        return str(Version(version))
    except InvalidVersion:
        return ""


def _members(folder: Path, top: str) -> Iterator[tuple[tarfile.TarInfo, IO[bytes] | None]]:
    """What is packed of a folder: sorted, times of files kept, owned by nobody."""
    for path in _walk(folder):
        found = path.lstat()
        info = tarfile.TarInfo(f"{top}/{path.relative_to(folder).as_posix()}")
        info.mtime = int(found.st_mtime)
        info.mode = 0o755 if path.is_dir() or found.st_mode & 0o100 else 0o644
        if path.is_symlink():
            info.type, info.linkname = tarfile.SYMTYPE, str(path.readlink())
            yield info, None
        elif path.is_dir():
            info.type, info.mtime = tarfile.DIRTYPE, OLDEST_EPOCH  # its own changes whenever a cache is made in it
            yield info, None
        elif path.is_file():  # sockets and the like are no source
            info.size = found.st_size
            with path.open("rb") as file:
                yield info, file


def _walk(folder: Path) -> Iterator[Path]:
    for path in sorted(folder.iterdir()):
        if path.name in _LEFT_OUT or (path / "pyvenv.cfg").exists():
            continue
        yield path
        if path.is_dir() and not path.is_symlink():
            yield from _walk(path)
