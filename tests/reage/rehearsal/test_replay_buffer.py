import numpy as np
import pytest

from reage.errors import RegistryError
from reage.rehearsal.replay_buffer import Faces, PoolMap, load_buffer
from tests.reage.rehearsal.conftest import faces_of


def equal(one, other):
    return all(np.array_equal(a, other.arrays()[name]) for name, a in one.arrays().items())


def test_buffer_returns_as_it_was_written_and_its_bytes_are_its_own(buffer, tmp_path):
    path = tmp_path / "buffer.npz"
    path.write_bytes(buffer.to_bytes())
    loaded = load_buffer(path)
    assert equal(loaded.kept, buffer.kept)
    assert equal(loaded.held_out, buffer.held_out)
    assert loaded.seen == buffer.seen
    assert np.array_equal(loaded.pool.kept, [0, 3, 8])
    assert loaded.to_bytes() == buffer.to_bytes()


@pytest.mark.parametrize("data", [b"", b"PK\x03\x04 half", b"no archive at all"])
def test_file_that_is_no_buffer_is_named(tmp_path, data):
    (tmp_path / "buffer.npz").write_bytes(data)
    with pytest.raises(RegistryError, match=r"buffer\.npz: got .*expected a replay buffer"):
        load_buffer(tmp_path / "buffer.npz")


def test_size_of_a_buffer_is_that_of_its_columns_and_little_more(buffer):
    columns = buffer.kept.num_bytes + buffer.held_out.num_bytes + 32 * len(buffer.seen)
    assert columns < len(buffer.to_bytes()) < columns + (1 << 14)


def test_map_keeps_distances_of_codes_that_lie_in_a_plane():
    rng = np.random.default_rng(3)
    flat, axes = rng.normal(size=(9, 2)), np.linalg.qr(rng.normal(size=(12, 2)))[0]
    faces = faces_of(9)
    pool = Faces(**{**faces.arrays(), "codes": (flat @ axes.T).astype(np.float32)})
    places = PoolMap.of(pool, np.array([0, 1])).places
    apart = np.linalg.norm(flat[:, None] - flat[None], axis=2)
    assert np.linalg.norm(places[:, None] - places[None], axis=2) == pytest.approx(apart, abs=1e-5)


def test_map_of_a_single_photograph_is_a_point():
    assert PoolMap.of(faces_of(1), np.array([0])).places.tolist() == [[0.0, 0.0]]
