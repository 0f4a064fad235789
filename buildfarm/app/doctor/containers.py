"""The container engine, and the images that it has."""

from __future__ import annotations

from collections.abc import Iterator

from buildfarm.adapters.container.environments import bring
from buildfarm.app.containers import engine_of, images_on
from buildfarm.app.doctor.patient import Patient
from buildfarm.app.doctor.report import Check, State
from buildfarm.app.storing import open_store
from buildfarm.model.image import Image
from buildfarm.ports import no_report

_FOR = "recipes with services need one, and those with system packages that this machine has not"


def look(patient: Patient) -> Iterator[Check]:
    """Which engine answers, and what brings the images that it lacks."""
    settings = patient.settings
    engine = engine_of(settings, patient.environ)
    if engine is None and settings.engine == "none":
        yield Check(name="engine", state=State.NOTE, message=f"switched off ({settings.origins['engine']}); {_FOR}")
    elif engine is None:
        fix = patient.package("docker.io")
        yield Check(name="engine", state=State.NOTE, message=f"none answers here; {_FOR}", fix=fix, root=bool(fix))
    else:
        yield Check(name="engine", state=State.OK, message=f"{engine.words} at {engine.url}")
        here = images_on(engine, settings, open_store(settings), no_report)
        reachable = here.reachable()
        for image in here.images.values():
            needed = dict.fromkeys((image.name, image.test or image.name))
            if image.platform or image.server:
                absent = [name for name in needed if name not in reachable]
                yield _image(image, absent, bring(here.images, image.name))


def _image(image: Image, absent: list[str], fix: str) -> Check:
    message = "a service"
    if image.platform:
        tested = f", tested in {image.test}" if image.test else ""
        message = f"{', '.join(image.interpreters)} for {image.platform} and older{tested}"
    if not absent:
        return Check(name=image.name, state=State.OK, message=message)
    lacking = f"{message}; not here: {', '.join(absent)}"
    return Check(name=image.name, state=State.NOTE, message=lacking, fix=fix.strip("`"))
