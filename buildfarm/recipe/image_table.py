"""THE table of images: the whole form of a file in `images/`. The parser reads by it and the JSON Schema is printed
from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from buildfarm.model.image import Cpython, Image, Making, Server
from buildfarm.model.recipe import MANAGERS
from buildfarm.recipe import texts as t
from buildfarm.recipe.composites import Key, ListOf, MapOf, Table
from buildfarm.recipe.fields import Choice, Number, Schema, Text, Wrong
from buildfarm.recipe.nodes import Kind, MapNode, Scalar
from buildfarm.recipe.reading import Reading

_REPOSITORY = r"[a-z0-9]+([._:/-]+[A-Za-z0-9]+)*"
IN_IMAGES = tuple(name for name in MANAGERS if name in ("apt", "dnf", "apk"))


def exact(text: str) -> str:
    """A requirement of exactly one version in its normal form (PEP 508); raises ``Wrong``."""
    wanted = t.requirement(text)
    if "==" not in wanted or "*" in wanted or "," in wanted:
        raise Wrong(f"{text!r} leaves the version open", "for example: auditwheel==6.8.2")
    return wanted


REFERENCE = Text(
    wanted="a reference by digest",
    make=str,
    pattern=f"{_REPOSITORY}@sha256:[0-9a-f]{{64}}",
    advice="`buildfarm image pin NAME` writes it",
)
TAG = Text(
    wanted="a repository with a tag",
    make=str,
    pattern=f"{_REPOSITORY}:[A-Za-z0-9_][A-Za-z0-9_.-]{{0,127}}",
    example="registry.example.com/base:1",
)
PLATFORM = Text(
    wanted="the platform tag of one system",
    make=str,
    pattern="(manylinux|musllinux)_[0-9]+_[0-9]+_[a-z0-9_]+",
    example="manylinux_2_31_x86_64",
)
ABI = Text(wanted="an ABI of CPython", make=str, pattern="cp[23][0-9]+[a-z]*", example="cp313t")
INSIDE = Text(wanted="an absolute path", make=str, pattern=r"/\S*", example="/opt/python/cp313-cp313/bin/python")
FOLDER = Text(
    wanted="the name of an interpreter's folder", make=str, pattern="cp3[0-9]+-cp3[0-9]+t?", example="cp313-cp313t"
)
USER = Text(wanted="a user", make=str, pattern="[a-z0-9_][a-z0-9_-]*(:[a-z0-9_][a-z0-9_-]*)?", example="1000:1000")
PROGRAM = Text(wanted="the name of a program", make=str, pattern="[A-Za-z0-9][A-Za-z0-9+._-]*", example="gcc")

CPYTHON = Table(
    wanted="an interpreter to compile",
    make=Cpython,
    required=("source",),
    keys=(
        Key("source", t.PACKAGE, "Debian's source package: python3.13"),
        Key("configure", ListOf(t.FILLED), "options of its configure script: --disable-gil"),
    ),
)


def _check_sources(node: MapNode, reading: Reading) -> None:
    if "pythons" in node and "sources" not in node:
        advice = "sources: [bookworm, trixie, sid]"
        reading.error("missing-key", node.start, "interpreters are compiled, and no release has their sources", advice)


MAKING = Table(
    wanted="how an image is made",
    make=Making,
    required=("base",),
    checks=(_check_sources,),
    keys=(
        Key("base", t.SLUG, "a release of Debian (bullseye), or the name of another image"),
        Key("packages", ListOf(t.PACKAGE), "packages of the release"),
        Key("pythons", MapOf(FOLDER, CPYTHON), "interpreters to compile, by their folder below /opt/python"),
        Key("sources", ListOf(t.SLUG), "releases of Debian in which the sources of those are looked for"),
        Key("interpreters_of", t.SLUG, "an image whose interpreters are copied, without what compiles"),
        Key("tools", ListOf(Text(wanted="an exact requirement", make=exact)), "tools from the index, in /opt/tools"),
        Key("run", ListOf(t.FILLED, repeats=True), "commands of root at the end, without network"),
        Key("absent", ListOf(PROGRAM), "programs that must not be there; nor are headers, then"),
    ),
)


def _check_port(node: MapNode, reading: Reading) -> None:
    for scalar in node.scalars("port"):
        if scalar.kind is Kind.WHOLE and int(scalar.text) > 65_535:
            reading.error("value", scalar.span, f"there is no port {scalar.text}", "ports end at 65535")


SERVER = Table(
    wanted="a server",
    make=Server,
    required=("port", "start", "ready"),
    checks=(_check_port,),
    keys=(
        Key("port", Number("integer", 1), "where it listens, on 127.0.0.1"),
        Key("start", t.FILLED, "script that becomes the server"),
        Key("ready", t.FILLED, "script that exits with 0 when the user can log in"),
        Key("user", USER, "as whom it runs"),
        Key("env", MapOf(t.ENV_NAME, t.VALUE), "variables of both scripts; a recipe sets others over them"),
        Key("scratch", ListOf(INSIDE), "folders in memory: all that it may write"),
        Key("seconds", Number("integer", 1), "time to get ready"),
        Key("programs", ListOf(PROGRAM), "what a host must have to run it there"),
    ),
)


def _check_origin(node: MapNode, reading: Reading) -> None:
    """It is made here, or it comes from a registry; and what it is pinned to is what its tag names."""
    if "make" in node and ("tag" in node or "reference" in node):
        message = "an image is made here, or comes from a registry: 'make' excludes 'tag' and 'reference'"
        reading.error("conflict", node.start, message, "keep one of them")
    elif not any(key in node for key in ("make", "tag", "reference")):
        advice = "make: {base: bullseye, …}, or tag: REPOSITORY:TAG, and then `buildfarm image pin`"
        reading.error("missing-key", node.start, "nothing says where the image comes from", advice)
    tag, reference = node.get("tag"), node.get("reference")
    if isinstance(tag, Scalar) and isinstance(reference, Scalar):
        repository = reference.text.partition("@")[0]
        if repository != tag.text.rpartition(":")[0]:
            message = f"{repository!r} is another repository than that of the tag"
            reading.error("conflict", reference.span, message, "`buildfarm image pin NAME` writes what the tag names")


def _check_building(node: MapNode, reading: Reading) -> None:
    """What builds run in says all that planning asks of it."""
    for key in ("interpreters", "manager"):
        if "platform" in node and key not in node:
            reading.error("missing-key", node.start, f"an image with a platform is built in, and needs {key!r}")


IMAGE = Table(
    wanted="an image",
    make=Image,
    required=("name",),
    checks=(_check_origin, _check_building),
    keys=(
        Key("name", t.SLUG, "what it is called here; its file has the same name"),
        Key("tag", TAG, "where a registry has it: REPOSITORY:TAG"),
        Key("reference", REFERENCE, "what was there when `buildfarm image pin` looked: REPOSITORY@sha256:…"),
        Key("make", MAKING, "how it is made on this machine", into="making"),
        Key("platform", PLATFORM, "the oldest system that its own libraries are good for; builds run in it"),
        Key("interpreters", MapOf(ABI, INSIDE), "path of Python by ABI"),
        Key("python", INSIDE, "a Python 3 for our own scripts"),
        Key("manager", Choice(IN_IMAGES), "its package manager"),
        Key("test", t.SLUG, "name of the image in which the wheels are tested"),
        Key("compilers", ListOf(Choice(("zig", "system"))), "what may compile in it"),
        Key("server", SERVER, "how it serves tests"),
    ),
)


def image_schema() -> Mapping[str, Any]:
    """The JSON Schema (2020-12) of a file in `images/`."""
    schema: Schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": "buildfarm image"}
    return {**schema, **IMAGE.schema()}
