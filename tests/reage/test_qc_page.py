import base64
import io
import json
import re
from dataclasses import replace
from fractions import Fraction
from html.parser import HTMLParser

import numpy as np
from PIL import Image as PillowImage

from reage.flicker import FrameFlicker
from reage.framerange import FrameRange
from reage.qc import ActorQC, FaceFrame, FrameIntegrity, PriorCard, QCReport
from reage.qc_page import Thumbnail, data_uri, render_page, report_dict, write_qc
from reage.takes import ActorTake, takes_in_words

FRAMES = FrameRange(1001, 1012)


def faces():
    for number in FRAMES:
        flicker = FrameFlicker(
            frame_number=number,
            plate_residual=0.01 if number > 1001 else None,
            output_residual=0.011 if number > 1001 else None,
            change_residual=0.002 if number > 1001 else None,
            excess=0.1 if number > 1001 else None,
            sharpness_kept=0.9,
            trusted=1.0,
        )
        yield FaceFrame(
            frame_number=number,
            source_age=40.0,
            target_age=70.0,
            measured_age=None if number == 1005 else 66.0,
            identity=0.8,
            fade=0.7 if number > 1010 else 1.0,
            is_bridged=number == 1005,
            flicker=flicker,
        )


REPORT = QCReport(
    show="demo",
    shot_code="sq010_sh0040",
    version="v003",
    created="2026-11-23",
    frames=FRAMES,
    frame_rate=Fraction(24000, 1001),
    integrity=tuple(
        FrameIntegrity(frame_number=n, outside_matte_difference=0.0, num_nonfinite=0)
        for n in FRAMES
    ),
    actors=(ActorQC(actor="ada", consent_document="DEMO-0001", frames=tuple(faces())),),
    prior=PriorCard(name="compact", digest="9f" * 32, licence="research", min_age=18, max_age=90),
    versions={"torch": "2.13.0"},
    digests={"plate": "ab" * 32},
)


class Outline(HTMLParser):
    """Collects tags, sources and text, and fails on tags that are not closed in order."""

    VOID = ("meta", "img", "br", "line", "rect", "circle", "polyline", "link")

    def __init__(self):
        super().__init__()
        self.open, self.tags, self.sources, self.words = [], [], [], []

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.sources += [v for k, v in attrs if k in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


def outline(page):
    parser = Outline()
    parser.feed(page)
    parser.close()
    assert parser.open == []
    return parser


def test_page_is_self_contained_well_formed_and_without_scripts():
    picture = np.zeros((36, 64, 3), np.uint8)
    thumbnail = Thumbnail(frame_number=1003, reason="flicker", plate=picture, output=picture)
    page = outline(render_page(REPORT, [thumbnail], picture))
    assert len(page.sources) == 3
    assert all(source.startswith("data:image/jpeg;base64,") for source in page.sources)
    assert "script" not in page.tags
    assert page.tags.count("svg") == 5


def test_page_says_verdict_consent_prior_digests_and_that_it_is_ai_altered():
    words = " ".join(outline(render_page(REPORT)).words)
    for fact in ("Pass", "DEMO-0001", "compact", "ab" * 32, "24000/1001 fps", "AI-altered",
                 "identical to the plate, every bit", "12 of 12", "1 bridged"):  # fmt: skip
        assert fact in words


def test_page_of_a_bad_shot_gives_the_reasons():
    bad = replace(REPORT, integrity=REPORT.integrity[:-2])
    words = " ".join(outline(render_page(bad)).words)
    assert "Needs review" in words
    assert "frames 1011-1012 missing" in words


def test_page_escapes_names_from_strangers():
    nasty = "<script>alert('x')</script>\"><img src=http://example.org/x>"
    actor = replace(REPORT.actors[0], actor=nasty, consent_document=nasty, track=nasty)
    card = replace(REPORT.prior, name=nasty, licence=nasty, digest=nasty, summary=nasty)
    page = outline(
        render_page(
            replace(REPORT, show=nasty, shot_code=nasty, version=nasty, actors=(actor,),
                    prior=card, digests={nasty: nasty}, versions={nasty: nasty}),
            [Thumbnail(frame_number=1, reason=nasty, plate=np.zeros((4, 4, 3), np.uint8),
                       output=np.zeros((4, 4, 3), np.uint8))],
        )
    )  # fmt: skip
    assert "script" not in page.tags
    assert not any(source.startswith("http") for source in page.sources)
    assert any("<script>alert" in word for word in page.words)


def test_page_and_figures_tell_takes_apart():
    takes = (
        ActorTake(frames=FrameRange(1001, 1006), track_id=0, decided_by="largest face"),
        ActorTake(frames=FrameRange(1007, 1012), track_id=None, decided_by="no likeness",
                  similarity=0.31, nearest_id=2),
    )  # fmt: skip
    [actor] = REPORT.actors
    frames = tuple(
        replace(f, is_cast=False, presence=0.0, fade=0.0) if f.frame_number > 1006 else f
        for f in actor.frames
    )
    actor = replace(actor, frames=frames, takes=takes, track=takes_in_words(takes))
    report = replace(REPORT, actors=(actor,))
    html = render_page(report)
    words = " ".join(outline(html).words)
    assert "1007-1012 not recognised, most like is track 2 with 0.31" in words
    assert "0 lost, 0 faded, 6 in takes without them of 12 frames" in words
    assert "not in the take" in words
    assert html.count('class="cut"') == 4
    [told] = report_dict(report)["actors"]
    assert told["takes"][1]["frames"] == {"first": 1007, "last": 1012}
    assert told["num_faded"] == 0


def test_page_shows_coverage_consent_colour_and_what_came_out():
    integrity = tuple(
        FrameIntegrity(
            frame_number=n, outside_matte_difference=0.0, num_nonfinite=0, matte_coverage=0.05
        )
        for n in FRAMES
        if n != 1006
    )
    actor = replace(REPORT.actors[0], consent_terms="to render, shows demo, until 2027-01-01")
    words = {"outputs": {"master, 12 frames": "cd" * 32}, "colour": "ACEScct (show.ocio)"}
    page = render_page(replace(REPORT, integrity=integrity, actors=(actor,), **words))
    covered = re.findall(r'<polyline class="s-main" points="([^"]*)"><title>matte', page)
    assert [len(points.split()) for points in covered] == [5, 6], "broken where a frame is missing"
    for text in ("until 2027-01-01", "ACEScct (show.ocio)", "master, 12 frames", "cd" * 32):
        assert text in page


def test_chart_breaks_its_line_where_a_figure_is_missing():
    page = render_page(REPORT)
    measured = re.findall(r'<polyline class="s-main" points="([^"]*)"><title>measured', page)
    assert [len(points.split()) for points in measured] == [4, 7]


def test_json_is_plain_and_strict():
    odd = replace(
        REPORT,
        integrity=(
            FrameIntegrity(
                frame_number=1001, outside_matte_difference=float("inf"), num_nonfinite=0
            ),
        ),
    )
    text = json.dumps(report_dict(odd), allow_nan=False)
    read = json.loads(text)
    assert read["frames"][0]["outside_matte_difference"] is None
    assert read["verdict"]["status"] == "needs review"
    assert read["missing_frames"] == list(range(1002, 1013))
    assert read["frame_rate"] == "24000/1001"
    assert read["actors"][0]["frames"][0]["flicker"]["sharpness_kept"] == 0.9


def test_write_qc_writes_both_files_and_leaves_nothing_else(tmp_path):
    paths = {"json_path": tmp_path / "qc.json", "html_path": tmp_path / "qc.html"}
    write_qc(REPORT, **paths)
    write_qc(REPORT, **paths)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["qc.html", "qc.json"]
    assert json.loads(paths["json_path"].read_text())["verdict"]["status"] == "pass"


def test_data_uri_is_no_wider_than_asked():
    picture = np.full((100, 300, 3), 200, np.uint8)
    encoded = data_uri(picture, width=90).split(",")[1]
    assert PillowImage.open(io.BytesIO(base64.b64decode(encoded))).size == (90, 30)


def test_page_says_how_much_of_the_face_was_held_back():
    def page(share_of):
        frames = tuple(replace(face, held_back=share_of(face.frame_number)) for face in faces())
        return render_page(replace(REPORT, actors=(replace(REPORT.actors[0], frames=frames),)))

    covered = page(lambda number: 0.25 if number in (1003, 1004) else 0.0)
    assert "in 2 of 12 frames, over up to 25% of the face" in covered
    assert "Something in front" in covered
    bare = page(lambda number: 0.0)
    assert "nothing found" in bare
    assert "Something in front" not in bare
    assert "not looked for" in page(lambda number: None)
