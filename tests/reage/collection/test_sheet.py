import json

import numpy as np

from reage.collection.ages import Refusal
from reage.collection.page import render_collection_page, write_collection_page
from reage.collection.portrait_measures import FaceMeasures, PortraitLimits
from reage.collection.report import AcceptedPhoto, CollectionReport, RefusedPhoto
from reage.collection.sheet import age_caption, compose_collection_sheet

MEASURES = FaceMeasures(
    eye_distance=80, sharpness=1, yaw_deg=0, pitch_deg=0, outside=0, score=1, disagreement=0
)
ORANGE = np.array([226, 160, 84])


def accepted(name="34_1.jpg", age=34.6, source="name", level=128):
    return AcceptedPhoto(
        name=name,
        age=age,
        age_source=source,
        apparent_age=40.0,
        similarity=0.8,
        measures=MEASURES,
        preview=np.full((192, 192, 3), level, np.uint8),
    )


def report(photos=(), refused=(), warnings=()):
    return CollectionReport(
        actor="Ada <Example>",
        place="s3://studio/ada",
        prior="compact",
        chosen_by="consensus",
        accepted=tuple(photos),
        refused=tuple(refused),
        warnings=tuple(warnings),
        limits=PortraitLimits(),
    )


def has_estimate_colour(sheet):
    return bool((sheet == ORANGE).all(axis=2).any())


def test_sheet_marks_estimated_ages_and_no_others():
    assert not has_estimate_colour(compose_collection_sheet([accepted()], title="a"))
    estimated = compose_collection_sheet([accepted(source="estimated")], title="a")
    assert has_estimate_colour(estimated)
    assert age_caption(accepted(source="estimated")) == "≈ 35"
    assert age_caption(accepted()) == "34", "an age stated is in years completed"


def test_sheet_grows_by_rows_and_shows_every_picture():
    photos = [accepted(level=100 + i) for i in range(9)]
    sheet = compose_collection_sheet(photos, title="a", columns=4)
    one_row = compose_collection_sheet(photos[:4], title="a", columns=4)
    assert sheet.shape[1] == one_row.shape[1]
    assert sheet.shape[0] > 2 * one_row.shape[0]
    for photo in photos:
        assert (sheet == photo.preview[0, 0]).all(axis=2).sum() >= 192 * 192


def test_sheet_of_nothing_is_a_sheet():
    assert compose_collection_sheet([], title="a", subtitle="none").shape[2] == 3


def test_page_tells_every_reason_and_escapes_names():
    refusals = [
        RefusedPhoto(refusal=Refusal("<b>.jpg", "blurred", "got 0.1"), thumbnail=None),
        RefusedPhoto(
            refusal=Refusal("c.jpg", "no face", "got none"),
            thumbnail=np.zeros((100, 150, 3), np.uint8),
        ),
    ]
    page = render_collection_page(report([accepted()], refusals, ["a & b"]))
    assert "&lt;b&gt;.jpg" in page
    assert "Ada &lt;Example&gt;" in page
    assert "a &amp; b" in page
    assert page.count("data:image/jpeg") == 2
    assert page.count("not looked at") == 1


def test_document_counts_reasons_and_is_json(tmp_path):
    refusals = [
        RefusedPhoto(refusal=Refusal(name, reason, "x"), thumbnail=None)
        for name, reason in (("a", "blurred"), ("b", "no face"), ("c", "no face"))
    ]
    found = report([accepted(), accepted(source="estimated")], refusals)
    document = json.loads(json.dumps(found.document(), allow_nan=False))
    assert list(document["reasons"].items()) == [("no face", 2), ("blurred", 1)]
    assert document["num_estimated"] == 1
    assert document["accepted"][0]["sharpness"] == 1
    assert "2 photographs, ages 35-35 (1 by name, 1 estimated), 3 refused" in found.headline
    write_collection_page(found, tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text() == render_collection_page(found)


def test_many_remarks_are_folded_and_none_is_lost():
    remarks = [f"remark {number}" for number in range(9)]
    page = render_collection_page(report([accepted()], [], remarks))
    assert "<summary>4 more</summary>" in page
    assert all(f"<li>{remark}</li>" in page for remark in remarks)
    assert "<details>" not in render_collection_page(report([accepted()], [], remarks[:5]))
