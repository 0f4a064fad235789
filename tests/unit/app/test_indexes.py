from __future__ import annotations

from buildfarm.adapters.memory import MemoryStore, MemoryTree
from buildfarm.adapters.sql.ledger import Ledger
from buildfarm.app.indexes import show_json
from buildfarm.model.events import DocsPublished, FilePublished, IndexConfigured, Origin, Tried
from buildfarm.model.index import Index
from buildfarm.model.wheel import Artifact, Verdict
from tests.farms import farm_over


def test_what_happened_is_said_in_words_with_results_and_settings() -> None:
    ledger, store = Ledger(), MemoryStore()
    zip_ = Artifact(name="demo-1.0.zip", size=1, sha256="0" * 64)
    ledger.events.append("qa", IndexConfigured(index=Index(name="qa", bases=("dev",), private=True)))
    published = FilePublished(
        project="demo",
        version="1.0",
        artifact=Artifact(name="demo-1.0.tar.gz", size=1, sha256="1" * 64),
        metadata_sha256="",
        uploaded="2026-11-21T12:00:00Z",
        origin=Origin.PROMOTED,
        source="dev",
        tried=(Tried(target="cp311-any", verdict=Verdict.PASSED),),
    )
    ledger.events.append("qa", published)
    ledger.events.append("qa", DocsPublished(project="demo", version="1.0", artifact=zip_))
    events = show_json(farm_over(ledger, store, MemoryTree(store)), "qa")["events"]
    assert [(each["kind"], each["said"]) for each in events] == [
        ("documentation published", "demo 1.0"),
        ("promoted", "demo-1.0.tar.gz: from dev; cp311-any passed"),
        ("configured", "internal, private; bases dev; accepts passed, skipped"),
    ]
