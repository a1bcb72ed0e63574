import json
import shutil
from dataclasses import replace
from datetime import date
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image as PillowImage

import tasks.portraits
from reage.collection.ages import TABLE_NAME
from reage.collection.portrait_measures import PortraitLimits
from reage.errors import CollectionError, FaceError, StorageError
from reage.workspace import Workspace
from tasks.collections import gather_collection
from tests.s3_server import FaultyRelay
from tests.tasks.conftest import admiral_photograph, astronaut_photograph

# All photographs here are prints of two portraits, so prints are told apart only where it is asked.
APART = PortraitLimits(duplicate_bits=-1, min_similarity=-1.0)


def portrait():
    return np.ascontiguousarray(astronaut_photograph()[:360, 60:420])


def write(path, picture, *, taken=None, quality=92):
    tags = PillowImage.Exif()
    if taken:
        tags.get_ifd(0x8769)[0x9003] = taken
    path.parent.mkdir(parents=True, exist_ok=True)
    PillowImage.fromarray(picture).save(path, quality=quality, exif=tags)
    return path


def variants(folder, ages):
    """A photograph of the astronaut for each age, all different to the digest."""
    for number, age in enumerate(ages):
        write(folder / f"{age}_{number}.jpg", np.uint8(portrait() * (1 - 0.03 * number)))
    return folder


@pytest.fixture
def home(tmp_path):
    return Workspace.of_actor(tmp_path / "work", "ada")


@pytest.fixture
def gather(tiny_prior, home):
    def run(place, *, prior=tiny_prior, limits=APART, workspace=home, **options):
        return gather_collection.fn(
            str(place), prior, actor="Ada Example", limits=limits, workspace=workspace, **options
        )

    return run


@pytest.fixture
def looks(monkeypatch):
    """Counts the pictures in which faces were looked for."""
    seen = []

    class Counting(tasks.portraits.FaceFinder):
        def detect(self, display):
            seen.append(display.shape)
            return super().detect(display)

    monkeypatch.setattr(tasks.portraits, "FaceFinder", Counting)
    return seen


def report_of(ref):
    return json.loads((Path(ref.report) / "report.json").read_text())


def reasons_of(ref):
    return {row["name"]: row["reason"] for row in report_of(ref)["refused"]}


def test_collection_is_crops_in_order_of_age(gather, tmp_path, tiny_prior, compact_alignment):
    ref = gather(variants(tmp_path / "c", [51, 30, 44]))
    size = compact_alignment.size
    assert (ref.num_photos, ref.min_age, ref.max_age, ref.num_refused) == (3, 30, 51, 0)
    with np.load(ref.path) as arrays:
        assert arrays["crops"].shape == (3, size, size, 3)
        assert arrays["crops"].dtype == np.uint8
        assert arrays["ages"].dtype == np.float32
        assert arrays["ages"].tolist() == [30, 44, 51]
        assert arrays["age_sources"].tolist() == ["name"] * 3
        assert arrays["names"].tolist() == ["30_1.jpg", "44_2.jpg", "51_0.jpg"]
        assert arrays["embeddings"].shape == (3, 16)
        assert np.allclose(np.linalg.norm(arrays["embeddings"], axis=1), 1, atol=1e-5)
        assert (arrays["sharpness"] > 0).all()
        brightness = arrays["crops"].mean(axis=(1, 2, 3))
    assert brightness[2] > brightness[0] > brightness[1], "each crop goes with its name"


def test_crops_are_in_the_alignment_of_the_prior(gather, tmp_path, compact_prior):
    """The eyes of the mean crop lie where the embedded prior was trained to see them."""
    ref = gather(variants(tmp_path / "c", [40]), prior=compact_prior)
    with np.load(ref.path) as arrays:
        [crop] = arrays["crops"]
    grey = crop[..., 1].astype(float)
    height, width = grey.shape
    eyes = grey[round(0.25 * height) : round(0.34 * height)].mean(axis=0)
    cheek = grey[round(0.42 * height) : round(0.5 * height)].mean(axis=0)
    for centre in (0.30, 0.70):
        around = slice(round((centre - 0.06) * width), round((centre + 0.06) * width))
        assert eyes[around].mean() < cheek[around].mean() - 15


def test_only_new_photographs_are_looked_at(gather, tmp_path, looks):
    folder = variants(tmp_path / "c", [30, 40, 50])
    first = gather(folder)
    assert len(looks) == 3
    assert gather(folder) == first
    assert len(looks) == 3
    write(folder / "60_9.jpg", np.uint8(portrait() * 0.7))
    second = gather(folder)
    assert len(looks) == 4
    assert (second.num_photos, second.max_age) == (4, 60)
    assert second.digest != first.digest


def test_renamed_photograph_is_relabelled_without_another_look(gather, tmp_path, looks):
    folder = variants(tmp_path / "c", [30, 40])
    first = gather(folder)
    (folder / "40_1.jpg").rename(folder / "45_1.jpg")
    second = gather(folder)
    assert second.max_age == 45
    assert second.digest != first.digest
    assert len(looks) == 2


def test_digest_is_that_of_what_was_accepted(gather, tmp_path):
    folder = variants(tmp_path / "c", [30, 40])
    first = gather(folder)
    write(folder / "12_1.jpg", portrait())
    (folder / "clip.mov").write_bytes(b"")
    second = gather(folder)
    assert (second.digest, second.path) == (first.digest, first.path)
    assert second.num_refused == 2
    assert second.report != first.report


def test_each_refusal_has_its_reason(gather, tmp_path):
    folder = variants(tmp_path / "c", [30])
    small = cv2.resize(portrait(), (90, 90), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(portrait(), (0, 0), 4)
    write(folder / "31_small.jpg", small)
    write(folder / "32_soft.jpg", soft)
    write(folder / "33_wall.jpg", np.full((200, 300, 3), 90, np.uint8))
    write(folder / "17_child.jpg", portrait())
    shutil.copyfile(folder / "30_0.jpg", folder / "34_copy.jpg")
    (folder / "35_broken.jpg").write_bytes((folder / "30_0.jpg").read_bytes()[:3000])
    (folder / "36_raw.cr2").write_bytes(b"raw")
    (folder / "notes.txt").write_text("not a photograph, and no news either")
    assert reasons_of(gather(folder)) == {
        "31_small.jpg": "tiny face",
        "32_soft.jpg": "blurred",
        "33_wall.jpg": "no face",
        "17_child.jpg": "under 18",
        "34_copy.jpg": "near-duplicate",
        "35_broken.jpg": "unreadable",
        "36_raw.cr2": "no photograph",
    }


def test_prints_of_one_photograph_are_kept_once_and_the_sharpest(gather, tmp_path, compact_prior):
    folder = tmp_path / "c"
    write(folder / "40_sharp.png", portrait())
    write(folder / "40_soft.jpg", cv2.GaussianBlur(portrait(), (0, 0), 1.2))
    write(folder / "40_mirrored.jpg", np.ascontiguousarray(portrait()[:, ::-1]), quality=60)
    write(folder / "50_other.jpg", admiral_photograph())
    ref = gather(folder, prior=compact_prior, limits=replace(PortraitLimits(), min_similarity=-1.0))
    with np.load(ref.path) as arrays:
        assert arrays["names"].tolist() == ["40_sharp.png", "50_other.jpg"]
    assert reasons_of(ref) == {
        "40_soft.jpg": "near-duplicate",
        "40_mirrored.jpg": "near-duplicate",
    }


def collage():
    """Both portraits side by side, the admiral the larger."""
    left = cv2.resize(portrait(), (280, 280), interpolation=cv2.INTER_AREA)
    picture = np.full((600, 860, 3), 90, np.uint8)
    picture[160:440, 20:300] = left
    picture[:, 330:842] = admiral_photograph()
    return picture


@pytest.mark.parametrize("is_admiral", [False, True])
def test_references_choose_the_actor_in_a_group(gather, tmp_path, compact_prior, is_admiral):
    pictures = [portrait(), admiral_photograph()]
    folder = tmp_path / "c"
    write(folder / "50_two.jpg", collage())
    write(folder / "51_other.jpg", pictures[not is_admiral])
    reference = write(tmp_path / "reference.jpg", np.uint8(pictures[is_admiral][:, ::-1] * 0.9))
    ref = gather(folder, prior=compact_prior, limits=PortraitLimits(), references=[str(reference)])
    assert ref.num_photos == 1
    assert reasons_of(ref) == {"51_other.jpg": "another person"}
    with np.load(ref.path) as arrays:
        [embedding] = arrays["embeddings"]
    alone = tmp_path / "alone"
    write(alone / "50_1.jpg", pictures[is_admiral])
    with np.load(gather(alone, prior=compact_prior).path) as arrays:
        assert arrays["embeddings"][0] @ embedding > 0.8


def test_most_photographs_choose_the_actor_without_references(gather, tmp_path, compact_prior):
    folder = variants(tmp_path / "c", [30, 35])
    write(folder / "50_two.jpg", collage())
    write(folder / "51_other.jpg", admiral_photograph())
    ref = gather(folder, prior=compact_prior, limits=PortraitLimits(duplicate_bits=-1))
    assert reasons_of(ref) == {"51_other.jpg": "another person"}
    assert report_of(ref)["chosen_by"] == "consensus"


def test_references_without_a_face_are_refused(gather, tmp_path):
    wall = write(tmp_path / "wall.jpg", np.full((200, 300, 3), 90, np.uint8))
    with pytest.raises(FaceError, match=r"references: faces: got none in 1 photograph"):
        gather(variants(tmp_path / "c", [30]), references=[str(wall)])


def test_age_comes_from_table_name_date_and_estimate(gather, tmp_path):
    folder = tmp_path / "c"
    write(folder / "set" / "30_told.jpg", np.uint8(portrait() * 0.95))
    write(folder / "40_named.jpg", portrait())
    write(folder / "dated.jpg", np.uint8(portrait() * 0.9), taken="1999:03:02 10:00:00")
    write(folder / "unknown.jpg", np.uint8(portrait() * 0.85))
    (folder / TABLE_NAME).write_text("file,age\nset/30_told.jpg,61.5\nabsent.jpg,20\n")
    ref = gather(folder, birth_date=date(1964, 3, 2))
    with np.load(ref.path) as arrays:
        ages = dict(zip(arrays["names"].tolist(), arrays["ages"].tolist(), strict=True))
        sources = dict(zip(arrays["names"].tolist(), arrays["age_sources"].tolist(), strict=True))
    assert sources == {
        "set/30_told.jpg": "csv",
        "40_named.jpg": "name",
        "dated.jpg": "exif",
        "unknown.jpg": "estimated",
    }
    assert ages["set/30_told.jpg"] == 61.5
    assert ages["dated.jpg"] == pytest.approx(35, abs=0.01)
    assert ages["unknown.jpg"] >= 23
    document = report_of(ref)
    assert document["num_estimated"] == 1
    said = "\n".join(document["warnings"])
    assert "set/30_told.jpg: age: got 61.5 by csv, but 30 by name; csv counts" in said
    assert f"{TABLE_NAME}: file: got absent.jpg, which is not in the collection" in said
    assert "photographs: got 4 fit to learn from, expected at least 10" in said


def test_table_leaves_photographs_out(gather, tmp_path):
    folder = variants(tmp_path / "c", [30, 40])
    (folder / TABLE_NAME).write_text("file,age,ignore\n30_0.jpg,,yes\n")
    ref = gather(folder)
    assert ref.num_photos == 1
    assert reasons_of(ref) == {"30_0.jpg": "ignored"}


def test_nothing_fit_is_an_error_that_counts_the_reasons(gather, tmp_path):
    folder = tmp_path / "c"
    write(folder / "12_1.jpg", portrait())
    write(folder / "30_1.jpg", np.full((200, 300, 3), 90, np.uint8))
    with pytest.raises(CollectionError, match=r"got none fit .*1 no face, 1 under 18.*report") as e:
        gather(folder)
    assert Path(str(e.value).rpartition("; see ")[2]).is_file()


def test_folder_that_is_not_there_is_named(gather, tmp_path):
    with pytest.raises(StorageError, match=r"none: got no such folder"):
        gather(tmp_path / "none")


def test_people_get_a_sheet_and_a_page(gather, tmp_path):
    folder = variants(tmp_path / "c", [30, 40])
    write(folder / "<script>.jpg", np.uint8(portrait() * 0.6))
    write(folder / "12_1.jpg", portrait())
    ref = gather(folder)
    with PillowImage.open(Path(ref.report) / "sheet.png") as sheet:
        assert sheet.width > 1000
    page = (Path(ref.report) / "report.html").read_text()
    assert "<script>" not in page
    assert "&lt;script&gt;.jpg" in page
    assert "under 18" in page
    assert "http" not in page.replace("http-equiv", "")


def test_progress_counts_every_photograph(gather, tmp_path):
    told = []
    folder = variants(tmp_path / "c", [30, 40, 50])
    gather(folder, report=lambda *step: told.append(step))
    assert told[-1] == ("photographs", 3, 3)
    assert [done for _, done, _ in told] == sorted(done for _, done, _ in told)


@pytest.fixture
def upload(s3_server, monkeypatch):
    """Uploads files under a prefix of a new bucket; returns a relay that counts, and the URI."""
    bucket = s3_server.new_bucket()
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    with FaultyRelay(s3_server, lambda method, path: None) as relay:
        monkeypatch.setenv("AWS_ENDPOINT_URL_S3", relay.endpoint_url)

        def put(folder):
            for path in folder.rglob("*"):
                if path.is_file():
                    key = f"actors/ada/{path.relative_to(folder).as_posix()}"
                    s3_server.client.upload_file(str(path), bucket, key)
            return f"s3://{bucket}/actors/ada"

        yield put, relay


def test_collection_on_s3_is_the_one_on_disk(gather, tmp_path, upload):
    put, relay = upload
    folder = variants(tmp_path / "c", [30, 40])
    write(folder / "set" / "50_1.jpg", np.uint8(portrait() * 0.8))
    (folder / TABLE_NAME).write_text("file,age\n30_0.jpg,33\n")
    (folder / "clip.mov").write_bytes(b"film")
    local = gather(folder)
    remote = gather(put(folder))
    assert (remote.digest, remote.path) == (local.digest, local.path)
    assert remote.min_age == 33
    assert reasons_of(remote) == {"clip.mov": "no photograph"}
    assert relay.count("GET", "clip.mov") == 0, "what is no photograph stays where it is"


def test_photographs_on_s3_are_fetched_once_and_anew_when_they_change(gather, tmp_path, upload):
    put, relay = upload
    folder = variants(tmp_path / "c", [30, 40])
    uri = put(folder)
    first = gather(uri)
    assert relay.count("GET", ".jpg") == 2
    assert gather(uri) == first
    assert relay.count("GET", ".jpg") == 2
    write(folder / "40_1.jpg", np.uint8(portrait() * 0.7))
    write(folder / "50_2.jpg", np.uint8(portrait() * 0.75))
    put(folder)
    # All three were uploaded again, but one of them with the same bytes.
    assert gather(uri).num_photos == 3
    assert relay.count("GET", ".jpg") == 4


def test_damaged_copy_of_a_photograph_is_fetched_again(gather, tmp_path, upload, home):
    put, relay = upload
    uri = put(variants(tmp_path / "c", [30, 40]))
    first = gather(uri)
    [copy] = home.folder.glob("fetched/*/30_0.jpg")
    copy.write_bytes(copy.read_bytes()[:-100])
    assert gather(uri) == first
    assert relay.count("GET", "30_0.jpg") == 2


def test_empty_prefix_is_named(gather, upload, tmp_path):
    put, _ = upload
    uri = put(tmp_path / "nothing") if (tmp_path / "nothing").exists() else put(tmp_path)
    with pytest.raises(StorageError, match=r"none: list: got no object, expected files"):
        gather(f"{uri}/none")
