import numpy as np

from reage.lettering import canvas_of, draw_text, shortened, text_width

GREY = (60, 60, 60)


def ink(canvas):
    return np.argwhere((canvas != np.array(GREY)).any(axis=2))


def test_draw_text_puts_letters_on_their_baseline_and_anchor():
    canvas = canvas_of(200, 80, GREY)
    draw_text(canvas, "HHH", (190, 60), size=30, anchor="right")
    marks = ink(canvas)
    assert marks[:, 0].max() in (58, 59)  # letters without descenders stand on the line above 60
    assert 180 < marks[:, 1].max() < 190


def test_draw_text_outside_the_canvas_is_cut_off_not_an_error():
    canvas = canvas_of(40, 20, GREY)
    draw_text(canvas, "long words", (-15, 15), size=14, halo=0.5)
    draw_text(canvas, "gone", (500, 500), size=14)
    assert ink(canvas).size


def test_shortened_line_fits_and_ends_in_an_ellipsis():
    line = shortened("sequence_with_a_very_long_name", 90, size=14)
    assert line.endswith("…")
    assert text_width(line, size=14) <= 90
    assert shortened("short", 90, size=14) == "short"


def test_control_characters_become_spaces():
    assert text_width("a\nb\x00\u202ec", size=12) == text_width("a b  c", size=12)
