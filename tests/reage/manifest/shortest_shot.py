"""The shortest shot manifest, and changes of it."""

import copy

import pytest
from pydantic import ValidationError

from reage.manifest import ShotManifest
from reage.manifest.problems import findings_of, known_keys

SHORTEST = {
    "show": "demo",
    "sequence": "sq010",
    "shot": "sh0010",
    "plate": {"uri": "plate.mov", "cut_in": 1011, "cut_out": 1072, "handles": 8},
    "actors": [{"actor": "ada", "target_age": 72}],
    "delivery": {"destination": "out"},
    "consent": {"document_id": "DEMO-2026-001"},
}


def shot(**changes):
    """Changes are by dotted key, a double underscore standing for the dot."""
    values = copy.deepcopy(SHORTEST)
    for key, value in changes.items():
        inner = values
        *outer, last = key.split("__")
        for part in outer:
            inner = inner[int(part) if part.isdigit() else part]
        inner[last] = value
    return ShotManifest.model_validate(values)


def mistakes(**changes):
    with pytest.raises(ValidationError) as caught:
        shot(**changes)
    return [str(finding) for finding in findings_of(caught.value, known_keys(ShotManifest))]
