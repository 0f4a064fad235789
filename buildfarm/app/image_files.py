"""Image files on disk: found, decoded and parsed, all errors of all of them at once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import buildfarm
from buildfarm.model.errors import RecipeError
from buildfarm.model.image import Image
from buildfarm.model.wheel import Severity
from buildfarm.recipe.diagnostic import render
from buildfarm.recipe.image_parse import judge_together, parse_image

FOLDER = "images"


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageFile:
    """A file with its image."""

    path: Path
    text: str
    image: Image


def shipped() -> Path:
    """The folder of the images that come with buildfarm: in the package, or beside it in a checkout."""
    package = Path(buildfarm.__file__).parent
    inside = package / FOLDER
    return inside if inside.is_dir() else package.parent / FOLDER


def read_images(folder: Path) -> Mapping[str, Image]:
    """The images of a folder by name. Raises ``RecipeError`` with every error of every file."""
    return {each.image.name: each.image for each in read_image_files(folder)}


def read_image_files(folder: Path) -> tuple[ImageFile, ...]:
    """The same, with their files, by name; none where there is no such folder."""
    texts, troubles = {}, []
    for path in sorted(folder.glob("*.yaml")):
        try:
            texts[path] = path.read_bytes().decode("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            troubles.append(f"{path}: cannot be read: {error}\nhelp: an image file is UTF-8 text")
    parsed = {path: parse_image(text, file=str(path)) for path, text in texts.items()}
    together = judge_together(parsed.values())
    for path, each in parsed.items():
        mine = (*each.diagnostics, *(found for found in together if found.file == each.file))
        troubles += [render(found, texts[path]) for found in mine if found.severity is Severity.ERROR]
    if troubles:
        raise RecipeError("\n\n".join(troubles))
    return tuple(
        ImageFile(path=path, text=texts[path], image=each.image) for path, each in parsed.items() if each.image
    )
