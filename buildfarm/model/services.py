"""Services as recipes declare them, held against the images that serve."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches

from buildfarm.model.canonical import digest
from buildfarm.model.image import Image, defined
from buildfarm.model.outcome import Reason
from buildfarm.model.recipe import Service, Test


def wanted(tests: Collection[Test]) -> Mapping[str, Service]:
    """What all tests of a job declare: they share one session, and a recipe gives one name to one service."""
    return {name: service for test in tests for name, service in test.services.items()}


def variables(images: Mapping[str, Image]) -> Mapping[str, Collection[str]]:
    """Names of the variables that each image that serves takes, by its name."""
    return {name: tuple(sorted(image.server.env)) for name, image in images.items() if image.server}


def served(name: str, images: Mapping[str, Image]) -> str:
    """Digest of a server as tests meet it: what its image is made of, and how it serves."""
    return digest([defined(images[name], images), images[name].server])


def refusals(services: Mapping[str, Service], known: Mapping[str, Collection[str]]) -> Iterator[Reason]:
    """What is wrong with services as a recipe declares them: an image that is none, variables that it does not take.

    ``known`` are the ``variables`` of the images that there are.
    """
    for name, service in sorted(services.items()):
        if service.image not in known:
            yield Reason(
                code="service",
                message=f"the service {name} wants the image {service.image!r}, which is none that serves",
                advice=f"those that serve are: {_listed(known, service.image)}",
            )
        elif unknown := sorted(set(service.env) - set(known[service.image])):
            yield Reason(
                code="service",
                message=f"the service {name} sets {', '.join(unknown)}, which its image {service.image} does not take",
                advice=f"it takes {_listed(known[service.image], *unknown)}",
            )


def _listed(names: Collection[str], *written: str) -> str:
    """All of the names, and which was meant by what is written, if that can be guessed."""
    near = [each for word in written for each in get_close_matches(word, names, n=1)]
    meant = f"; did you mean {', '.join(near)}?" if near else ""
    return f"{', '.join(sorted(names)) or 'none'}{meant}"
