import numpy as np
import pytest

from reage.stored_rows import StoredRows


@pytest.fixture
def rows(tmp_path):
    return StoredRows.blank(tmp_path / "rows.npy", (3, 2, 2), np.float16)


def test_rows_that_were_not_written_are_nothing(rows):
    assert rows.shape == (3, 2, 2)
    assert len(rows) == 3
    assert not any(row.any() for row in rows)


def test_row_that_was_written_is_in_the_file(rows, tmp_path):
    rows[1] = np.array([[1.0, 2.0], [3.0, 4.0]])
    again = StoredRows(tmp_path / "rows.npy")
    assert again[1].tolist() == [[1, 2], [3, 4]]
    assert again[1].dtype == np.float16
    assert np.array_equal(np.stack(list(again)), np.load(tmp_path / "rows.npy"))


def test_what_is_read_is_a_copy(rows):
    rows[0][:] = 7.0
    assert not rows[0].any()


@pytest.mark.parametrize("row", [3, -1])
def test_row_that_is_not_there_is_refused(rows, row):
    with pytest.raises(IndexError, match=f"got {row}, expected 0 to 2"):
        rows[row]
    with pytest.raises(IndexError):
        rows[row] = np.ones((2, 2))


def test_row_of_another_shape_is_refused_and_nothing_is_written(rows):
    with pytest.raises(ValueError, match="broadcast"):
        rows[1] = np.ones((2, 3))
    assert not any(row.any() for row in rows)
