"""What replicas ask: where this home stands, and the events after a serial, as lines of JSON."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

from fastapi import APIRouter, HTTPException, Query, Response

from buildfarm.adapters.primary import written_event
from buildfarm.app.server.access import CHALLENGE
from buildfarm.app.server.serving import Asking, Here
from buildfarm.model.events import IndexConfigured
from buildfarm.model.standing import Standing
from buildfarm.model.token import EVERY, Right

router = APIRouter()

_MOST = 1000  # events in one answer


@router.get("/+api/v1/status")
def status(here: Here) -> Standing:
    """The serial of the last event, the epoch, and the URL of the server that is written to; empty: this one."""
    return here.ledger.replication.standing()


@router.get("/+api/v1/changes", response_class=Response)
def changes(here: Here, asking: Asking, since: Annotated[int, Query(ge=0)] = 0) -> Response:
    """The first events after that serial, after a line that says what ``status`` says.

    Whoever may read every index may have them: with a token for ``*`` where one is private, or ever was, else anybody.
    """
    configured = (event.payload for event in here.ledger.events.of_project(""))
    private = any(isinstance(each, IndexConfigured) and each.index.private for each in configured)
    if private and not (asking.token and asking.token.allows(Right.READ, EVERY)):
        reason = asking.trouble or "an index is private: this takes a token of the index '*'"
        if asking.token:
            raise HTTPException(403, reason)
        raise HTTPException(401, reason, {"WWW-Authenticate": CHALLENGE})
    lines = [json.dumps(asdict(here.ledger.replication.standing()))]
    lines += map(written_event, here.ledger.replication.after(since, _MOST))
    return Response("".join(f"{line}\n" for line in lines), media_type="application/jsonl")
