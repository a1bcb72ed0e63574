import numpy as np
from PIL import Image

from reage.rehearsal.buffer_pictures import draw_buffer
from reage.rehearsal.hull_picture import draw_hull
from tests.reage.rehearsal.conftest import buffer_of, faces_of


def test_pictures_of_any_buffer_are_drawn(buffer, tmp_path):
    alone = buffer_of(faces_of(1), faces_of(0))
    for number, found in enumerate((buffer, alone)):
        sheet, hull = tmp_path / f"s{number}.png", tmp_path / f"h{number}.png"
        draw_buffer(found, title="ada v002", subtitle="", path=sheet)
        draw_hull(found, title="ada v002", path=hull)
        for path in (sheet, hull):
            with Image.open(path) as picture:
                assert np.asarray(picture).std() > 3


def test_sheet_shows_every_face_kept_and_held_out(buffer, tmp_path):
    counts = []
    for shown in (buffer, buffer_of(buffer.kept, faces_of(0))):
        draw_buffer(shown, title="", subtitle="", path=tmp_path / "s.png")
        sheet = np.asarray(Image.open(tmp_path / "s.png").convert("RGB"))
        cells = sheet[132:260, 28 : 28 + 10 * 136], sheet[344:472, 28 : 28 + 10 * 136]
        counts.append([int((cell.std(axis=(0, 2)) > 20).sum() // 128) for cell in cells])
    assert counts == [[3, 2], [3, 0]]
