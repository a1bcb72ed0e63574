"""A recipe that cannot be used is told in one sentence with its file, of whatever it is one."""

import pytest

from reage.errors import ManifestError, StorageError
from tasks.face3d_prior import read_face3d_recipe
from tasks.prior_training import read_recipe

each_kind = pytest.mark.parametrize(
    ("read", "expected"),
    [(read_recipe, "a prior recipe"), (read_face3d_recipe, "the recipe of a 3D prior")],
    ids=["ageing prior", "3D prior"],
)


@each_kind
def test_recipe_that_cannot_be_read_is_one_sentence(tmp_path, read, expected):
    missing, folder = tmp_path / "nope.json", tmp_path
    for path, why in ((missing, "No such file or directory"), (folder, "Is a directory")):
        with pytest.raises(StorageError) as caught:
            read(str(path))
        assert str(caught.value) == (f"{path}: recipe: got {why}, expected a file that can be read")


@each_kind
@pytest.mark.parametrize(
    "content",
    [b"", b"hi", b"{", b"5", b"[]", b"null", b'"text"', b"\xff", b'{"prior": []}', b'{"sead": 1}'],
)
def test_broken_recipe_is_one_sentence(tmp_path, read, expected, content):
    path = tmp_path / "broken.json"
    path.write_bytes(content)
    with pytest.raises(ManifestError) as caught:
        read(str(path))
    assert str(caught.value).startswith(f"{path}: got ")
    assert str(caught.value).endswith(f", expected {expected}")
    assert "\n" not in str(caught.value)


def test_recipe_that_is_not_named_is_the_compact_priors():
    assert read_recipe(None).prior.resolution == 128
    assert read_face3d_recipe(None).prior.crop_size == 128
