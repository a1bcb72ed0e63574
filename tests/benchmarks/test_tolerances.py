import json

from benchmarks.record import RESULTS
from benchmarks.tolerances.nights import CONDITIONS
from benchmarks.tolerances.summary import passes, summarise, table_of, worst_of
from reage.manifest.nightly import Tolerance
from reage.rehearsal.examination import FIGURES

NIGHT = {"distance": [0.01, 0.03], "identity": [-0.02, 0.05], "likeness": [0.0, 0.01]}


def test_worst_earlier_increment_decides():
    assert worst_of(NIGHT) == {"distance": 0.03, "identity": 0.05, "likeness": 0.01}
    limits = {"distance": 0.03, "identity": 0.05, "likeness": 0.01}
    assert passes(NIGHT, Tolerance(**limits))
    for name in FIGURES:
        assert not passes(NIGHT, Tolerance(**{**limits, name: limits[name] - 0.005}))


def test_summary_counts_what_passes_and_says_how_much_was_forgotten():
    rows = [{"forgotten": {key: [NIGHT] for key in CONDITIONS}}]
    found = summarise(rows, Tolerance())
    assert all(found[condition]["nights"] == 1 for condition in CONDITIONS)
    assert found["good"]["forgotten"]["distance"]["most"] == 0.03
    assert table_of(found, Tolerance()).count("\n") == len(CONDITIONS) + 2


def test_defaults_leave_good_nights_on_record_twice_what_they_forgot_and_stop_what_forgets():
    rows = json.loads((RESULTS / "tolerances.json").read_text())["rows"]
    limits = Tolerance().model_dump()
    good = [worst_of(night) for row in rows for night in row["forgotten"]["good"]]
    assert len(good) >= 4
    for night in good:
        assert all(2 * night[name] < limits[name] for name in FIGURES)
    unrehearsed = [night for row in rows for night in row["forgotten"]["no rehearsal"]]
    assert not all(passes(night, Tolerance()) for night in unrehearsed)
