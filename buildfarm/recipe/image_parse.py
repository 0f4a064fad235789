"""The texts of image files to images, with every diagnostic at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath

from buildfarm.model.image import Image
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import Diagnostic, Span, suggestion
from buildfarm.recipe.image_table import IMAGE
from buildfarm.recipe.nodes import Kind, Scalar, spans_of
from buildfarm.recipe.reading import Reading
from buildfarm.recipe.yamltree import read_tree

_START = Span(line=1, column=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ParsedImage:
    """What a file came to. There is an image exactly when no diagnostic is an error."""

    file: str
    image: Image | None
    diagnostics: tuple[Diagnostic, ...]
    spans: Mapping[str, Span]


def parse_image(text: str, *, file: str) -> ParsedImage:
    """Parse an image file. ``file`` is its path in diagnostics, whose stem the image has as its name. Never raises."""
    reading = Reading(file)
    tree = read_tree(text, reading)
    image = None
    if tree is None or (isinstance(tree, Scalar) and tree.kind is Kind.NULL):
        if not reading.errors:
            reading.error("no-value", _START, "there is nothing in this file", "docs/images.md shows an image")
    else:
        image = IMAGE.read(tree, reading)
    spans = dict(spans_of(tree)) if tree is not None else {}
    if image is not None and image.name != (stem := PurePath(file).stem):
        message = f"the image {image.name!r} stands in a file of another name"
        reading.error("spelling", spans["name"], message, f"name: {stem}, or rename the file to {image.name}.yaml")
        image = None
    return ParsedImage(file=file, image=image, diagnostics=tuple(reading.diagnostics), spans=spans)


def judge_together(parsed: Iterable[ParsedImage]) -> tuple[Diagnostic, ...]:
    """What is wrong with images only because of the others: names of none, and images made of themselves.

    ``parsed`` are all files of the folder; one that is broken is there all the same, for whoever names it.
    """
    files = tuple(parsed)
    names = {PurePath(each.file).stem for each in files}
    images = {each.image.name: each.image for each in files if each.image}
    return tuple(found for each in files if each.image for found in _judged(each, each.image, names, images))


def _judged(parsed: ParsedImage, image: Image, names: set[str], images: Mapping[str, Image]) -> Iterator[Diagnostic]:
    named = {"test": image.test, "make.interpreters_of": image.making.interpreters_of if image.making else ""}
    for key, name in named.items():
        if name and name not in names:
            near = suggestion(name, names) or f"those that are: {', '.join(sorted(names))}"
            yield _error(parsed, key, "unknown-image", f"there is no image {name!r}", near)
    for key, name in _parents(image).items():
        if circle := _way(name, image.name, images, (image.name,)):
            message = f"{image.name!r} is made of itself: {' of '.join(circle)}"
            yield _error(parsed, f"make.{key}", "circle", message, "base: a release of Debian, such as bullseye")


def _parents(image: Image) -> dict[str, str]:
    """What an image is made of, by key."""
    making = image.making
    return {"base": making.base, "interpreters_of": making.interpreters_of} if making else {}


def _way(name: str, to: str, images: Mapping[str, Image], before: tuple[str, ...]) -> tuple[str, ...]:
    """How an image comes to be made of another, or nothing."""
    if name == to:
        return (*before, name)
    if name not in images or name in before:
        return ()
    parents = dict.fromkeys(_parents(images[name]).values())
    return next((way for each in parents if (way := _way(each, to, images, (*before, name)))), ())


def _error(parsed: ParsedImage, key: str, code: str, message: str, advice: str) -> Diagnostic:
    span = parsed.spans.get(key, _START)
    return Diagnostic(severity=Severity.ERROR, code=code, message=message, file=parsed.file, span=span, help=advice)
