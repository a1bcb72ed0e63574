"""Reading folders of labelled photographs: names, tables, archives, folds, minors."""

import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest

from reage.errors import FaceError, StorageError
from reage.face_set import FaceSet
from reage.labelled_faces import UNKNOWN, find_photos


def write_picture(path: Path, value: int = 90) -> None:
    cv2.imwrite(str(path), np.full((8, 8, 3), value, np.uint8))


def test_labels_are_read_from_names_and_missing_ones_are_unknown(tmp_path: Path) -> None:
    for name in ("34_1_0_a.png", "61_0_b.png", "45_c.png", "portrait.png"):
        write_picture(tmp_path / name)
    photos, _ = find_photos(tmp_path)
    said = {p.name: (p.age, p.gender, p.group) for p in photos}
    assert said == {
        "34_1_0_a.png": (34, 1, 0),
        "61_0_b.png": (61, 0, UNKNOWN),
        "45_c.png": (45, UNKNOWN, UNKNOWN),
    }


def test_a_stamp_is_not_taken_for_a_group(tmp_path: Path) -> None:
    write_picture(tmp_path / "53_1_20170103.png")
    (photo,) = find_photos(tmp_path)[0]
    assert (photo.age, photo.gender, photo.group) == (53, 1, UNKNOWN)


def test_table_gives_ages_and_minors_are_counted_not_read(tmp_path: Path) -> None:
    for name in ("a.png", "b.png", "c.png"):
        write_picture(tmp_path / name)
    (tmp_path / "labels.csv").write_text("file,age,gender\na.png,40.4,1\nb.png,17,0\n")
    photos, num_minors = find_photos(tmp_path)
    assert [(p.name, p.age, p.gender) for p in photos] == [("a.png", 40, 1)]
    assert num_minors == 1


def test_a_bad_line_of_the_table_is_named(tmp_path: Path) -> None:
    write_picture(tmp_path / "a.png")
    (tmp_path / "labels.csv").write_text("file,age\na.png,old\n")
    with pytest.raises(FaceError, match=r"labels.csv: line 2: got .*old"):
        find_photos(tmp_path)


def test_pictures_in_an_archive_read_like_files(tmp_path: Path) -> None:
    write_picture(tmp_path / "30_0_0_x.png", 77)
    with zipfile.ZipFile(tmp_path / "part0.zip", "w") as archive:
        archive.write(tmp_path / "30_0_0_x.png", "50_0_0_y.png")
    young, old = find_photos(tmp_path)[0]
    assert (young.age, old.age) == (30, 50)
    assert np.array_equal(young.read(), old.read())
    assert young.read().shape == (8, 8, 3)


def test_fold_is_the_checksum_of_the_name(tmp_path: Path) -> None:
    write_picture(tmp_path / "34_1_0_a.png")
    (photo,) = find_photos(tmp_path)[0]
    assert photo.fold == 2967449913 % 20


def test_a_missing_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match="nowhere: got no such folder"):
        find_photos(tmp_path / "nowhere")


def test_face_set_round_trips(tmp_path: Path) -> None:
    count = 6
    faces = FaceSet(
        crops=np.arange(count * 4 * 4 * 3, dtype=np.uint8).reshape(count, 4, 4, 3),
        ages=np.arange(20, 26),
        genders=np.zeros(count, int),
        groups=np.zeros(count, int),
        folds=np.array([0, 1, 2, 3, 1, 19]),
        names=np.array([f"{i}.png" for i in range(count)]),
        template=np.zeros((2, 2)),
        indices=np.array([1, 2]),
    )
    faces.save(tmp_path / "faces.npz")
    loaded = FaceSet.load(tmp_path / "faces.npz")
    assert np.array_equal(loaded.crops, faces.crops)
    assert loaded.training.tolist() == [2, 3, 5]
    assert loaded.validation.tolist() == [1, 4]
    assert [p.name for p in tmp_path.iterdir()] == ["faces.npz"]
