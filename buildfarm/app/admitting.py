"""`buildfarm admit`: what is to come in, looked at as a whole, then let in; and the file that is reviewed for that."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

import click
from rich.console import Console

from buildfarm.app.exchange import print_carried, to_plain
from buildfarm.app.table import print_table
from buildfarm.farm.admit import Needed, Upstream, approved, forbidden, hidden, is_there, look_up, needed
from buildfarm.farm.bring import Carried, bring
from buildfarm.farm.coordinator import Coordinator
from buildfarm.model.admission import Admissions, Files
from buildfarm.model.distribution import Named
from buildfarm.model.errors import RecipeError, Refused
from buildfarm.model.index import Index
from buildfarm.model.job import Environment
from buildfarm.model.origin import Offer
from buildfarm.model.wheel import Severity
from buildfarm.ports import Shelf
from buildfarm.recipe.admissions import parse_admissions, release, write_admissions
from buildfarm.recipe.diagnostic import render
from buildfarm.recipe.fields import Wrong


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """What an admission works with: the farm, where files come from, the mirror, whom it is for, and who does it.

    ``globs`` select files by name (none: all); ``environments`` are those whose dependencies are looked for.
    """

    farm: Coordinator
    shelf: Shelf
    index: Index
    environments: tuple[Environment, ...]
    globs: tuple[str, ...] = ()
    who: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Admitted:
    """What became of the files, what waits for approval, and what people should know, a sentence each."""

    carried: tuple[Carried, ...]
    needs: Needed
    warnings: tuple[str, ...] = ()

    @property
    def exit_code(self) -> int:
        """1 where a file did not come, or something that is needed is not approved or not known."""
        return int(not all(each.good for each in self.carried) or bool(self.needs.releases or self.needs.unknown))


def names_of(operands: Iterable[str]) -> tuple[Named, ...]:
    """The releases that a call names; raises ``RecipeError`` with everything that is none."""
    found, wrong = [], []
    for operand in operands:
        try:
            project, _, version = release(operand).partition("==")
        except Wrong as error:
            wrong.append(f"{error}; {error.advice}")
        else:
            found.append(Named(project=project, version=version))
    if wrong:
        raise RecipeError("\n".join(wrong))
    return tuple(dict.fromkeys(found))


def environments_for(all_: Iterable[Environment], globs: tuple[str, ...]) -> tuple[Environment, ...]:
    """One environment for each interpreter and C library that is here and wanted; raises ``RecipeError`` for none."""
    here = [each for each in all_ if not each.lacks]
    chosen: dict[tuple[str, str], Environment] = {}
    for each in here:
        if not globs or any(fnmatchcase(str(each.target), glob) for glob in globs):
            chosen.setdefault((each.target.abi, each.target.platform.partition("_")[0]), each)
    if not chosen:
        those = ", ".join(str(each.target) for each in here) or "none; `buildfarm doctor` says why"
        raise RecipeError(f"nothing here is for {', '.join(globs) or 'any target'}; targets of this machine: {those}")
    return tuple(chosen.values())


def read_file(file: Path) -> Admissions:
    """The admissions of a file; raises ``RecipeError`` with every error in it."""
    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise RecipeError(f"{file} cannot be read: {error}") from error
    parsed = parse_admissions(text, file=str(file))
    if parsed.admissions is None:
        errors = (each for each in parsed.diagnostics if each.severity is Severity.ERROR)
        raise RecipeError("\n".join(render(each, text) for each in errors))
    return parsed.admissions


def from_file(gate: Gate, wanted: Mapping[Named, Files], waiting: Mapping[Named, Files]) -> Admitted:
    """Let in what is approved, by its hashes; what only is proposed waits, unless it is there."""
    releases = approved(look_up(gate.shelf, wanted), wanted)
    _refuse(gate.farm, wanted)
    lacking = tuple(each for each in waiting if not is_there(gate.farm, gate.index.name, each))
    return let_in(gate, releases, Needed(releases=lacking))


def planned(gate: Gate, wanted: tuple[Named, ...]) -> tuple[Upstream, ...]:
    """The releases with their files and the hash of each, which is fetched to know it where nobody tells it.

    Raises ``Refused`` with everything that speaks against one.
    """
    releases = look_up(gate.shelf, wanted, gate.globs)
    _refuse(gate.farm, wanted)
    return tuple(replace(each, offers=tuple(_hashed(gate, offer) for offer in each.offers)) for each in releases)


def needs_of(gate: Gate, wanted: tuple[Named, ...]) -> Needed:
    """What the releases need that is not there."""
    return needed(gate.farm, gate.index.name, wanted, gate.environments)


def let_in(gate: Gate, releases: tuple[Upstream, ...], needs: Needed) -> Admitted:
    """Bring the files of the releases onto the mirror; ``needs`` is what they need besides."""
    carried = tuple(bring(gate.farm, gate.index, (offer for each in releases for offer in each.offers), gate.who))
    return Admitted(
        carried=carried, needs=needs, warnings=tuple(hidden(gate.farm, (release.name for release in releases)))
    )


def propose(gate: Gate, wanted: tuple[Named, ...], before: Admissions) -> tuple[Admissions, Needed]:
    """The admissions with the named releases approved, and what they need proposed; and what that is."""
    admit = {**before.admit, **_files(planned(gate, wanted))}
    needs = needs_of(gate, wanted)
    others = tuple(each for each in needs.releases if not any(each.same(name) for name in admit))
    proposed = {**before.proposed, **_files(planned(gate, others))}
    waiting = {name: files for name, files in proposed.items() if not any(name.same(each) for each in admit)}
    return Admissions(index=gate.index.name, admit=admit, proposed=waiting), needs


def write_file(file: Path, admissions: Admissions) -> None:
    """Write the file; raises ``RecipeError`` where that cannot be."""
    try:
        file.write_text(write_admissions(admissions), encoding="utf-8")
    except OSError as error:
        raise RecipeError(f"{file} cannot be written: {error.strerror}") from error


def _refuse(farm: Coordinator, names: Iterable[Named]) -> None:
    if reasons := tuple(forbidden(farm, names)):
        raise Refused("\n".join(dict.fromkeys(reasons)), 403)


def _hashed(gate: Gate, offer: Offer) -> Offer:
    return (
        offer if offer.sha256 else replace(offer, sha256=gate.farm.sources.fetch(offer.origin, offer.filename).sha256)
    )


def _files(releases: Iterable[Upstream]) -> dict[Named, Files]:
    return {each.name: {offer.filename: offer.sha256 for offer in each.offers} for each in releases}


def print_plan(releases: Iterable[Upstream], console: Console) -> None:
    """What would come in, file by file."""
    rows = [(str(it.name), offer.filename, offer.sha256) for it in releases for offer in it.offers]
    print_table(console, ("release", "file", "sha256"), rows)


def show(admitted: Admitted, command: str, console: Console) -> None:
    """What came, and what waits for approval with the command that lets it in."""
    print_carried(admitted.carried, console)
    for each in admitted.warnings:
        click.echo(f"warning: {each}", err=True)
    for each in admitted.needs.unknown:
        click.echo(f"what it needs is not known: {each}", err=True)
    if admitted.needs.releases:
        names = " ".join(map(str, admitted.needs.releases))
        click.echo(f"needed, and not let in: {names}\nlook at each, then: {command.format(names)}", err=True)


def admitted_json(admitted: Admitted) -> dict[str, Any]:
    """The same as JSON types."""
    return {
        "files": to_plain(admitted.carried),
        "to_approve": list(map(str, admitted.needs.releases)),
        "unknown": list(admitted.needs.unknown),
        "warnings": list(admitted.warnings),
    }
