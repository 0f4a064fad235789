"""What sessions leave on an engine, found by its labels: containers, volumes, networks; and how to be rid of them."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from docker.errors import APIError, NotFound

from buildfarm.adapters.container.engine import Engine, told
from buildfarm.adapters.container.inside.warden import DEADLINE
from buildfarm.adapters.container.labels import SESSION, Labels, host, since
from buildfarm.model.errors import FarmError

_CONFLICT = 409  # it is in use, or somebody else removes it
_ROUNDS = 50  # of 200 ms, in which others must be done


def close(engine: Engine, session: str) -> None:
    """End and remove all that carries the session's label. Again does nothing.

    Raises ``FarmError`` when something resists; its labels stay then, for a later sweep.
    """
    for _ in range(_ROUNDS):
        if _remove(engine, {"label": [f"{SESSION}={session}"]}):
            return
        time.sleep(0.2)
    raise FarmError(f"what is labelled {SESSION}={session} on the container engine is in use by somebody else")


def sweep(engine: Engine, farm: str, live: frozenset[str]) -> tuple[str, ...]:
    """Remove what sessions of owners not in ``live`` left, of this farm on this machine; answers their attempts.

    What a process made that still runs is left alone: its owner came after ``live`` was asked. A session that ended by
    its own deadline goes whichever machine it came from, for that may never come back.
    """
    filters = Labels(farm=farm, kind="", host=host()).filters
    with told("list what is left of sessions"):
        api = engine.client.api
        making = [each["Id"] for each in _containers(engine, filters) if _abandoned(each, live, "making")]
        for container in making:
            _done(partial(api.remove_container, container, v=True, force=True))
        of_sessions = [*_containers(engine, filters), *_volumes(engine, filters), *api.networks(filters=filters)]
        everywhere = Labels(farm=farm, kind="session").filters
        expired = [
            Labels.read(each["Labels"]) for each in _containers(engine, {**everywhere, "exited": [str(DEADLINE)]})
        ]
    left = [Labels.read(each["Labels"]) for each in of_sessions if _abandoned(each, live, "session", "service")]
    left += [each for each in expired if each.owner not in live]
    for session in sorted({each.session for each in left}):
        close(engine, session)
    return tuple(sorted({each.attempt for each in left}))


def _abandoned(each: Mapping[str, Any], live: frozenset[str], *kinds: str) -> bool:
    labels = Labels.read(each["Labels"])
    return labels.kind in kinds and labels.owner not in live and since(int(labels.pid)) != labels.started


def _remove(engine: Engine, filters: dict[str, Any]) -> bool:
    """Whether nobody else was at it: who removes a container holds its volume for a while."""
    with told("remove what is left of a session"):
        api = engine.client.api
        found = [
            *(partial(api.remove_container, each["Id"], v=True, force=True) for each in _containers(engine, filters)),
            *(partial(api.remove_volume, each["Name"], force=True) for each in _volumes(engine, filters)),
            *(partial(api.remove_network, each["Id"]) for each in api.networks(filters=filters)),
        ]
        return [_done(remove) for remove in found].count(False) == 0


def _containers(engine: Engine, filters: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.client.api.containers(all=True, filters=filters)
    return found


def _volumes(engine: Engine, filters: dict[str, Any]) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = engine.client.api.volumes(filters=filters)["Volumes"] or []
    return found


def _done(remove: Callable[[], object]) -> bool:
    try:
        remove()
    except NotFound:
        return True
    except APIError as error:
        if error.status_code != _CONFLICT:
            raise
        return False
    return True
