import numpy as np
import pytest

from reage.contact_sheet import SheetRow, amplified_change, compose_contact_sheet, frame_crop


def row(number=1001, *, matte=None, shift=5):
    plate = np.full((180, 320, 3), 100, np.uint8)
    if matte is None:
        matte = np.zeros((180, 320), np.float32)
        matte[60:120, 140:190] = 1.0
    result = plate + np.uint8(shift) * (matte[..., None] > 0).astype(np.uint8)
    return SheetRow(
        frame_number=number, caption="age 41 → 70", plate=plate, result=result, matte=matte
    )


def test_amplified_change_is_four_times_the_difference_about_mid_grey():
    plate = np.array([[[100, 100, 100]]], np.uint8)
    result = np.array([[[100, 110, 40]]], np.uint8)
    assert amplified_change(plate, result).tolist() == [[[128, 168, 0]]]


def test_contact_sheet_shows_plate_result_change_and_matte_side_by_side():
    sheet = compose_contact_sheet([row()], title="sq010_sh0040 v003", cell_height=160)
    header, margin = round(160 * 0.42), round(160 * 0.12)
    cell_width = (sheet.shape[1] - 2 * margin - 3 * 4) // 4
    middle_y = header + 80
    middles = [sheet[middle_y, margin + cell_width // 2 + i * (cell_width + 4)] for i in range(4)]
    assert [m.tolist()[0] for m in middles] == [100, 105, 148, 255]


def test_contact_sheet_has_a_row_for_each_frame_and_one_crop_for_all():
    one = compose_contact_sheet([row()], title="t")
    three = compose_contact_sheet([row(n) for n in (1001, 1010, 1020)], title="t")
    assert three.shape[1] == one.shape[1]
    assert (three.shape[0] - one.shape[0]) % 2 == 0
    assert three.shape[0] > one.shape[0] + 2 * 320


def test_frame_crop_holds_every_matte_inside_the_frame():
    first, second = np.zeros((2, 180, 320), np.float32)
    first[0:20, 0:20] = 1
    second[170:180, 30:60] = 0.01
    rows, columns = frame_crop([first, second])
    assert (rows.start, rows.stop) == (0, 180)
    assert columns.start == 0
    assert 60 <= columns.stop <= 320


def test_frame_crop_of_empty_mattes_is_the_whole_frame():
    assert frame_crop([np.zeros((18, 32))]) == (slice(0, 18), slice(0, 32))


def test_contact_sheet_refuses_rows_of_several_sizes_and_no_rows():
    small = np.zeros((10, 10, 3), np.uint8)
    other = SheetRow(
        frame_number=1, caption="", plate=small, result=small, matte=np.zeros((10, 10))
    )
    with pytest.raises(ValueError, match="expected one size"):
        compose_contact_sheet([row(), other], title="t")
    with pytest.raises(ValueError, match="expected one size"):
        compose_contact_sheet([], title="t")
