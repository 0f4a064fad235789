"""Whose the name of a project is, for whoever wonders from where it would come: `buildfarm doctor --client`."""

from __future__ import annotations

from fastapi import APIRouter
from packaging.utils import canonicalize_name

from buildfarm.app.server.serving import Asking, Here
from buildfarm.farm.names import lasting

router = APIRouter()


@router.get("/+api/v1/names/{project}")
def owners(here: Here, asking: Asking, project: str) -> dict[str, list[str]]:
    """The lasting indexes whose own the name is, of those that whoever asks may read."""
    found = lasting(here.ledger.events, canonicalize_name(project))
    return {"owners": [each for each in found if asking.may_read(each)]}
