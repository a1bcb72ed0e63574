import hashlib
import json
import logging
import math
import os
import subprocess
import sys
from collections import OrderedDict
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from enum import Enum
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from reage.errors import LedgerError, StorageError
from reage.ledger import Ledger, code_version, content_key

KEY = content_key(stage="test")


class Mode(Enum):
    LINEAR = 1
    SMOOTH = 2


@dataclass(frozen=True)
class Crop:
    size: int


@dataclass(frozen=True)
class Tile:
    size: int


class Region(BaseModel):
    feather: float = 0.1


def finished(folder, name="frames.bin", data=b"pixels"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def test_content_key_is_the_same_in_every_process():
    code = (
        "from fractions import Fraction; from pathlib import Path;"
        "from reage.ledger import content_key;"
        "print(content_key(a={'x', 'y', 'z'}, b=Fraction(24000, 1001), c=Path('/a'), d=[0.1, 1]))"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", code],
            env={**os.environ, "PYTHONHASHSEED": seed},
            stdout=subprocess.PIPE,
            text=True,
        )
        for seed in ("1", "2")
    ]
    keys = {process.communicate()[0].strip() for process in processes}
    here = content_key(a={"z", "y", "x"}, b=Fraction(24000, 1001), c=Path("/a"), d=(0.1, 1))
    assert keys == {here}


def test_content_key_tells_values_of_different_kinds_apart():
    values = [
        *(None, True, 1, 1.0, "1", b"1", Fraction(1), Path("1"), Mode.LINEAR, Mode.SMOOTH),
        *([1], [[1]], {1}, {"1": 1}, {1: 1}, Crop(1), Tile(1), Region(), Region(feather=0.2)),
        *(np.zeros(2, np.float32), np.zeros(2, np.float64), np.zeros((2, 1), np.float32)),
        *(0.1, 0.1 + 1e-17 + 2e-17, {"float": "1.0"}, {"path": "1"}, ""),
    ]
    keys = [content_key(value=value) for value in values]
    assert len(set(keys)) == len(values)


def test_content_key_ignores_the_order_of_mappings_alone():
    one = content_key(a={"x": 1, "y": 2}, b=[1, 2])
    assert one == content_key(b=[1, 2], a=OrderedDict(y=2, x=1))
    assert one != content_key(a={"x": 1, "y": 2}, b=[2, 1])


def test_content_key_reads_numpy_scalars_as_numbers():
    assert content_key(age=np.float64(62.0)) == content_key(age=62.0)
    assert content_key(frame=np.int64(3)) == content_key(frame=3)


@given(st.floats(max_value=1e300, allow_nan=False, allow_infinity=False))
def test_content_key_tells_neighbouring_floats_apart(value):
    assert content_key(x=value) != content_key(x=math.nextafter(value, math.inf))


@pytest.mark.parametrize("value", [math.nan, math.inf, object(), lambda: 0, np.array([object()])])
def test_content_key_refuses_what_has_no_fixed_content(value):
    with pytest.raises(LedgerError, match=r"content key: settings\.ages\[1\]: got .*expected"):
        content_key(settings={"ages": [1, value]})


def test_finished_work_is_found_by_another_ledger_on_the_folder(tmp_path):
    path = finished(tmp_path / "chunk")
    Ledger(tmp_path / "ledger").record(KEY, {"frames": path}, {"fps": 3.1})
    record = Ledger(tmp_path / "ledger").find(KEY)
    assert record.outputs["frames"].path == path
    assert record.outputs["frames"].sha256 == hashlib.sha256(b"pixels").hexdigest()
    assert record.outputs["frames"].bytes == 6
    assert record.facts == {"fps": 3.1}


def test_unknown_work_is_not_found(tmp_path):
    assert Ledger(tmp_path / "never" / "made").find(KEY) is None


def test_record_survives_moving_the_work_folder(tmp_path):
    path = finished(tmp_path / "work" / "chunk")
    Ledger(tmp_path / "work" / "ledger").record(KEY, {"frames": path})
    (tmp_path / "work").rename(tmp_path / "moved")
    record = Ledger(tmp_path / "moved" / "ledger").find(KEY)
    assert record.outputs["frames"].path == tmp_path / "moved" / "chunk" / "frames.bin"


@pytest.mark.parametrize("harm", ["delete", "truncate", "flip", "folder"])
def test_work_whose_output_changed_is_not_found_and_says_so(tmp_path, caplog, harm):
    path = finished(tmp_path / "chunk")
    ledger = Ledger(tmp_path / "ledger")
    ledger.record(KEY, {"frames": path})
    times = (path.stat().st_atime, path.stat().st_mtime)
    if harm in ("delete", "folder"):
        path.unlink()
    if harm == "folder":
        path.mkdir()
    if harm in ("truncate", "flip"):
        path.write_bytes(b"pixel" if harm == "truncate" else b"pixelz")
        os.utime(path, times)
    with caplog.at_level(logging.WARNING):
        assert ledger.find(KEY) is None
    assert "work to be redone" in caplog.text


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", "null", '{"schema": "other/1", "key": ""}', "\xff\xfe", "TRUNCATED", "OTHER"],
)
def test_damaged_record_is_set_aside_and_can_be_written_anew(tmp_path, caplog, text):
    path = finished(tmp_path / "chunk")
    ledger = Ledger(tmp_path / "ledger")
    ledger.record(KEY, {"frames": path})
    entry = tmp_path / "ledger" / f"{KEY}.json"
    if text == "TRUNCATED":
        entry.write_bytes(entry.read_bytes()[:-20])
    elif text == "OTHER":  # a record copied under a wrong name proves nothing
        entry.write_text(entry.read_text().replace(KEY, content_key(stage="other")))
    else:
        entry.write_text(text, encoding="latin-1")
    with caplog.at_level(logging.WARNING):
        assert ledger.find(KEY) is None
    assert "damaged record set aside" in caplog.text
    assert entry.with_suffix(".damaged").exists()
    ledger.record(KEY, {"frames": path})
    assert ledger.find(KEY) is not None


def test_record_of_a_missing_output_is_refused_and_leaves_nothing(tmp_path):
    with pytest.raises(StorageError, match=r"none\.bin: read: got No such file"):
        Ledger(tmp_path / "ledger").record(KEY, {"frames": tmp_path / "none.bin"})
    assert not (tmp_path / "ledger").exists()


def test_record_refuses_facts_that_json_cannot_hold(tmp_path):
    with pytest.raises(LedgerError, match=r"facts: got .*expected plain JSON"):
        Ledger(tmp_path / "ledger").record(KEY, {}, {"when": object()})


@pytest.mark.parametrize("key", ["", "../../etc/passwd", "A" * 64, "0" * 63])
def test_ledger_refuses_what_is_no_content_key(tmp_path, key):
    with pytest.raises(LedgerError, match="expected 64 hex digits"):
        Ledger(tmp_path).find(key)


def record_often(folder, output):
    ledger = Ledger(folder)
    for _ in range(20):
        ledger.record(KEY, {"frames": output})
        if ledger.find(KEY) is None:
            return False
    return True


def test_processes_that_record_the_same_work_never_see_half_a_record(tmp_path):
    path = finished(tmp_path / "chunk")
    with ProcessPoolExecutor(3) as pool:
        results = list(pool.map(record_often, [tmp_path / "ledger"] * 3, [path] * 3))
    assert results == [True] * 3
    assert os.listdir(tmp_path / "ledger") == [f"{KEY}.json"]
    assert json.loads((tmp_path / "ledger" / f"{KEY}.json").read_text())["key"] == KEY


def test_code_version_follows_every_source_of_the_packages(tmp_path, monkeypatch):
    source = tmp_path / "ledgersample" / "deep" / "module.py"
    source.parent.mkdir(parents=True)
    (tmp_path / "ledgersample" / "__init__.py").write_text("raise RuntimeError('imported')")
    source.write_text("x = 1\n")
    monkeypatch.syspath_prepend(tmp_path)
    first = code_version("ledgersample", "reage")
    assert first == code_version("reage", "ledgersample")
    source.write_text("x = 2\n")
    second = code_version("ledgersample", "reage")
    source.rename(source.with_name("renamed.py"))
    assert len({first, second, code_version("ledgersample", "reage")}) == 3


def test_code_version_of_an_unknown_package_is_refused():
    with pytest.raises(LedgerError, match="code version: got 'no_such_package'"):
        code_version("no_such_package")
