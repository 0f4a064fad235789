"""Services as recipes declare them, before anything is started."""

from __future__ import annotations

from dataclasses import replace

import pytest

from buildfarm.model.image import Image, Making, Server
from buildfarm.model.recipe import Service, Test
from buildfarm.model.services import refusals, served, variables, wanted

SERVER = Server(port=3306, start="exec d", ready="c", env={"USER_NAME": "test", "PASSWORD": ""})
IMAGES = {
    "db": Image(name="db", server=SERVER),
    "next": Image(name="next", server=Server(port=3307, start="d", ready="c")),
    "plain": Image(name="plain"),
}


@pytest.mark.parametrize(
    ("service", "message", "advice"),
    [
        (
            Service(image="db", env={"PASSWORD": "p", "ROOT": "r", "HOST": "h"}),
            "the service a sets HOST, ROOT, which its image db does not take",
            "it takes PASSWORD, USER_NAME",
        ),
        (
            Service(image="db", env={"USERNAME": "u"}),
            "the service a sets USERNAME, which its image db does not take",
            "it takes PASSWORD, USER_NAME; did you mean USER_NAME?",
        ),
        (
            Service(image="plain"),
            "the service a wants the image 'plain', which is none that serves",
            "those that serve are: db, next",
        ),
        (
            Service(image="nxt"),
            "the service a wants the image 'nxt', which is none that serves",
            "those that serve are: db, next; did you mean next?",
        ),
        (
            Service(image="next", env={"X": ""}),
            "the service a sets X, which its image next does not take",
            "it takes none",
        ),
    ],
)
def test_what_cannot_be_served_is_said(service: Service, message: str, advice: str) -> None:
    (reason,) = refusals({"a": service, "b": Service(image="next")}, variables(IMAGES))
    assert (reason.code, reason.message) == ("service", message)
    assert advice in reason.advice


def test_what_all_tests_declare_is_one_set() -> None:
    db = Service(image="db")
    both = Test(services={"db": db, "cache": Service(image="next")})
    assert wanted((Test(imports=("auto",)), both, Test(services={"db": db}))) == both.services


def test_a_server_is_another_when_its_image_is_made_otherwise_and_when_it_serves_otherwise() -> None:
    made = replace(IMAGES["db"], making=Making(base="base"))
    base = Image(name="base", making=Making(base="bullseye"))
    images = {"db": made, "base": base}
    others = [
        {**images, "db": replace(made, server=replace(SERVER, start="exec d --strict"))},
        {**images, "db": replace(made, making=Making(base="base", packages=("d",)))},
        {**images, "base": replace(base, making=Making(base="bookworm"))},
    ]
    assert len({served("db", each) for each in (images, *others)}) == 4
    assert served("db", {**images, "other": base}) == served("db", images)
