"""What ``devpi-export`` wrote: the files of one of its indexes."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from buildfarm.adapters.tree import plain_path
from buildfarm.model.errors import FarmError, RecipeError
from buildfarm.model.origin import Offer

INDEX = "dataindex.json"
_RELEASE = "releasefile"


def export_of(folder: Path) -> tuple[Path, str] | None:
    """The export that a folder is, or that it is an index of (``EXPORT/USER/INDEX``), and that index or ""; None where
    it is neither.
    """
    for root in (folder, *list(folder.parents)[:2]):
        if (root / INDEX).is_file():
            return root, folder.relative_to(root).as_posix().removeprefix(".")
    return None


def read_export(root: Path, index: str = "") -> tuple[Offer, ...]:
    """The release files of an index of the export, of the only one that has any where none is named.

    Documentation and tox results are left. Raises ``RecipeError`` where that is not one, ``FarmError`` where the export
    cannot be read.
    """
    try:
        exported = json.loads((root / INDEX).read_bytes())
        filled = {name: each["files"] for name, each in exported["indexes"].items() if each.get("files")}
        chosen = [index] if index else list(filled)
        if len(chosen) != 1 or chosen[0] not in exported["indexes"]:
            those = ", ".join(str(root / name) for name in sorted(filled)) or "none"
            raise RecipeError(f"name one index of the export {root}; those that have files: {those}")
        return tuple(_offers(root, filled.get(chosen[0], [])))
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise FarmError(f"{root / INDEX} is no export of devpi that is understood: {error!r}") from error


def _offers(root: Path, files: list[Mapping[str, Any]]) -> Iterator[Offer]:
    for file in files:
        if file["type"] == _RELEASE:
            path = root.joinpath(*plain_path(file["relpath"]))
            yield Offer(
                filename=path.name,
                origin=str(path.absolute()),
                sha256=_sha256(file["entrymapping"]),
                uploaded=_uploaded(file.get("log") or ()),
            )


def _sha256(entry: Mapping[str, Any]) -> str:
    """The hash; empty where an old devpi kept md5 alone."""
    kind, _, digest = str(entry.get("hash_spec") or "").partition("=")
    return str((entry.get("hashes") or {}).get("sha256") or (digest if kind == "sha256" else ""))


def _uploaded(log: Any) -> str:
    """When it was uploaded first, in UTC; empty where the export does not say."""
    for entry in log:
        if entry.get("what") == "upload":
            return "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}Z".format(*entry["when"])
    return ""
