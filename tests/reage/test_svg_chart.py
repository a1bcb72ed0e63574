import re
import xml.etree.ElementTree as ET

import pytest

from reage.framerange import FrameRange
from reage.svg_chart import Series, State, line_chart, state_strip, strength_chart, x_of

FRAMES = FrameRange(1001, 1100)


def line(values, label="age"):
    return Series(label=label, css_class="s-main", values=values)


def test_line_chart_is_well_formed_and_escapes_labels():
    chart = line_chart([line([(1001, 1.0), (1002, 2.0)], label='<b>&"')], frames=FRAMES)
    tree = ET.fromstring(str(chart))
    assert [title.text for title in tree.iter("title")] == ['<b>&"']


@pytest.mark.parametrize("gap", [None, float("nan"), float("-inf")])
def test_line_chart_breaks_where_there_is_no_number_and_marks_a_lonely_value(gap):
    values = [(1001, 1.0), (1002, 2.0), (1003, gap), (1004, 3.0), (1005, gap), (1006, 1.0)]
    chart = str(line_chart([line(values)], frames=FRAMES))
    assert chart.count("<polyline") == 1
    assert chart.count("<circle") == 2


def test_line_chart_breaks_at_a_cut_and_marks_it_between_the_frames():
    values = [(n, float(n)) for n in range(1001, 1009)]
    chart = str(line_chart([line(values)], frames=FrameRange(1001, 1008), cuts=[1005]))
    assert chart.count("<polyline") == 2
    [place] = re.findall(r'class="cut" x1="([0-9.]+)"', chart)
    frames = FrameRange(1001, 1008)
    assert x_of(1004, frames) < float(place) < x_of(1005, frames)


def test_line_chart_of_nothing_or_of_one_level_still_has_axes():
    for values in ([], [(1001, None)], [(1001, 5.0), (1002, 5.0)], [(1001, 0.0), (1002, 0.0)]):
        assert str(line_chart([line(values)], frames=FRAMES)).count('class="tick"') > 4


def test_line_chart_keeps_values_inside_a_fixed_axis():
    values = [(1001, -9.0), (1002, 9.0)]
    chart = str(line_chart([line(values)], frames=FRAMES, y_range=(0.0, 1.0), height=210))
    points = re.search(r'points="([^"]*)"', chart)[1]
    ys = [float(p.split(",")[1]) for p in points.split()]
    assert ys == [184.0, 14.0]


def test_state_strip_lies_on_the_frames_of_the_line_chart():
    state = State(label="lost", css_class="t-lost", frames=FrameRange(1011, 1020))
    strip = str(state_strip([state], frames=FRAMES))
    x, width = (float(re.search(rf'<rect[^>]* {k}="([^"]*)"', strip)[1]) for k in ("x", "width"))
    assert abs(x + width / 2 - (x_of(1015, FRAMES) + x_of(1016, FRAMES)) / 2) < 0.02
    assert "lost 1011-1020" in strip


def test_strength_chart_spreads_its_values_evenly_over_0_to_1():
    chart = str(strength_chart([line([(0, 3.0), (1, 2.0), (2, 1.0)])]))
    xs = [float(p.split(",")[0]) for p in re.search(r'points="([^"]*)"', chart)[1].split()]
    ticks = dict(re.findall(r'x="([^"]*)" y="[^"]*" text-anchor="middle">([^<]*)<', chart))
    named = {text: float(x) for x, text in ticks.items()}
    assert list(named) == ["0", "0.2", "0.4", "0.6", "0.8", "1"]
    assert [xs[0], xs[2]] == [named["0"], named["1"]]
    assert xs[1] == (xs[0] + xs[2]) / 2
