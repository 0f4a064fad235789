"""Where the files of a site are kept: in its home, or in a bucket."""

from __future__ import annotations

from buildfarm.adapters import durable
from buildfarm.adapters.s3_store import S3Store
from buildfarm.adapters.store import LocalStore
from buildfarm.adapters.tree import FileTree
from buildfarm.app.settings import Settings


def open_store(settings: Settings, crash: durable.Crash = durable.no_crash) -> LocalStore | S3Store:
    """The store that the settings name. Raises ``FarmError`` where it cannot be reached."""
    if settings.store:
        return S3Store(settings.store, settings.local_store / ".tmp", crash)
    return LocalStore(settings.local_store, crash)


def open_tree(settings: Settings, store: LocalStore | S3Store, crash: durable.Crash = durable.no_crash) -> FileTree:
    """The tree of the indexes. Its files are links to those of the store where that is on this machine, else copies."""
    return FileTree(settings.tree, store.path if isinstance(store, LocalStore) else store.open, crash)
