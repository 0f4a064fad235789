"""``ports.Crates`` by cargo itself, from the registry that this machine's cargo is configured for."""

from __future__ import annotations

import json
import subprocess
import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from buildfarm.adapters.host.apt import PATIENCE
from buildfarm.adapters.host.prefix import Prefix
from buildfarm.adapters.local_source import kept
from buildfarm.model.errors import Unavailable
from buildfarm.model.job import BuildJob
from buildfarm.model.outcome import Reason
from buildfarm.model.system import Crate
from buildfarm.model.wheel import Artifact
from buildfarm.ports import Progress, Report, Store


@dataclass(frozen=True, slots=True, kw_only=True)
class CargoCrates:
    """Fetches with the cargo among a job's system packages; ``home`` is cargo's own, kept between calls.

    ``config`` is the person's own cargo configuration, which need not exist; ``environ`` cargo's variables. What cargo
    reads is a project of ours that names the crates, never the source, and ``fetch`` runs nothing.
    """

    home: Path
    store: Store
    prefix: Callable[[BuildJob], Prefix]
    config: Path
    environ: Mapping[str, str]
    report: Report

    def fetch(self, crates: Iterable[Crate], job: BuildJob) -> tuple[Artifact, ...]:
        """See ``ports.Crates``."""
        crates = tuple(crates)
        if not all(self.store.has(each.sha256) for each in crates):
            self.report(Progress(job="", step="crates", message=f"fetching {len(crates)} crates"))
            self._fetch(crates, self.prefix(job))
        found = (kept(self.store, f"{each.name}-{each.version}.tar.gz", each.sha256) for each in crates)
        return tuple(each for each in found if each)

    def _fetch(self, crates: tuple[Crate, ...], system: Prefix) -> None:
        cargo = system.root / "usr/bin/cargo"
        if not cargo.exists():
            message = "the system packages bring no usr/bin/cargo, so nothing can fetch crates"
            advice = "Name the package that has it under system: cargo, or a newer one, cargo-web"
            raise Unavailable(Reason(code="crates", message=message, advice=advice))
        self.home.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="fetch.", dir=self.home) as folder:
            project = Path(folder)
            (project / "src").mkdir()
            (project / "src/lib.rs").touch()
            (project / "Cargo.toml").write_text(_manifest(crates))
            options = ("--config", str(self.config)) if self.config.is_file() else ()
            path = ":".join((*system.path, self.environ.get("PATH", "")))
            environ = {**self.environ, **system.env, "PATH": path, "CARGO_HOME": str(self.home)}
            argv = [str(cargo), *options, "fetch"]
            try:
                done = subprocess.run(
                    argv, cwd=project, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False
                )
                said = done.stderr.strip()[-500:]
            except subprocess.TimeoutExpired:
                said = f"it did not end in {PATIENCE:.0f} s"
        for crate in crates:
            self._keep(crate, said)

    def _keep(self, crate: Crate, said: str) -> None:
        file = next(self.home.glob(f"registry/cache/*/{crate.name}-{crate.version}.crate"), None)
        if file is None:
            message = f"cargo cannot fetch {crate.name} {crate.version}: {said}"
            raise Unavailable(
                Reason(code="crates", message=message, advice="Is a registry there (~/.cargo/config.toml)?")
            )
        with file.open("rb") as content:
            kept = self.store.put(f"{crate.name}-{crate.version}.tar.gz", content)
        if kept.sha256 != crate.sha256:
            message = f"{file.name} has sha256 {kept.sha256}, not {crate.sha256} as Cargo.lock says"
            raise Unavailable(Reason(code="hash", message=message))


def _manifest(crates: Iterable[Crate]) -> str:
    """A project that needs exactly these: a name of its own for each, for there may be two versions of one."""
    lines = ['[package]\nname = "crates"\nversion = "0.0.0"\nedition = "2021"\n[workspace]\n[dependencies]']
    lines += [
        f"c{number} = {{ package = {json.dumps(each.name)}, version = {json.dumps('=' + each.version)} }}"
        for number, each in enumerate(crates)
    ]
    return "\n".join([*lines, ""])
