"""The table of actors' faces in three dimensions, as lists of adapters show it beside theirs."""

from collections.abc import Sequence

from rich.table import Table

from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import AdapterRecord

_COLUMNS = (
    "actor", "3D face", "rank", "size", "learnt from", "ages", "prior", "registered", "sha256",
    "consent", "licence",
)  # fmt: skip


def face3d_table(records: Sequence[AdapterRecord]) -> Table:
    """Returns a row a version: how large it is, what it was learnt from, and on what terms."""
    table = Table(*_COLUMNS, box=None, pad_edge=False)
    for record in records:
        facts = record.facts
        assert isinstance(facts, Face3DFacts)
        table.add_row(
            record.actor,
            record.version,
            str(facts.network.get("rank", "")),
            f"{record.weights.stat().st_size / 1e3:,.0f} kB",
            f"{facts.num_photographs} photographs",
            f"{facts.min_age:.0f}-{facts.max_age:.0f}",
            facts.prior_name,
            record.registered[:10],
            f"{record.digest[:12]}…",
            facts.consent_document,
            facts.licence,
        )
    return table
