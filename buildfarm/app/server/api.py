"""The FastAPI application below ``/+``."""

from __future__ import annotations

from fastapi import FastAPI

from buildfarm import __version__
from buildfarm.app.server.routers import ROUTERS
from buildfarm.app.server.serving import Serving


def make_api(serving: Serving) -> FastAPI:
    """All routers over one home. Its description is JSON alone: pages that draw it load scripts from elsewhere."""
    api = FastAPI(
        title="buildfarm", version=__version__, openapi_url="/+api/v1/openapi.json", docs_url=None, redoc_url=None
    )
    api.state.serving = serving
    for router in ROUTERS:
        api.include_router(router)
    return api
