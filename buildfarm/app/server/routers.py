"""What answers below ``/+``, and documentation: routers of FastAPI, each with whole paths, in the order of asking."""

from __future__ import annotations

from fastapi import APIRouter

from buildfarm.app.server.documents import router as documents
from buildfarm.app.server.health import router as health
from buildfarm.app.server.names import router as names
from buildfarm.app.server.replication import router as replication
from buildfarm.app.ui.routes import router as pages

ROUTERS: tuple[APIRouter, ...] = (health, names, replication, documents, pages)
