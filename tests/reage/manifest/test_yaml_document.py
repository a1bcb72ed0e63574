"""A manifest's scalars are numbers where YAML 1.2 says so, and text elsewhere."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from reage.manifest.yaml_document import read_document


def test_scalars_are_yaml_1_2(tmp_path):
    path = tmp_path / "scalars.yaml"
    path.write_text(
        "a: yes\nb: 12:30:00\nc: 010\nd: 1_000\ne: 0x1F\nf: 2026-01-31\ng: .inf\nh: -7\ni: 1.5e3\n"
        "j: true\nk: ~\nl:\nm: 'true'\nn: .5\no: 2.\np: 12345678901234567890\nq: <<\nr: =\n"
    )
    assert read_document(path).values == {
        **{"a": "yes", "b": "12:30:00", "c": "010", "d": "1_000", "e": "0x1F", "f": "2026-01-31"},
        **{"g": ".inf", "h": -7, "i": 1500.0, "j": True, "k": None, "l": None, "m": "true"},
        **{"n": 0.5, "o": 2.0, "p": "12345678901234567890", "q": "<<", "r": "="},
    }


@pytest.mark.parametrize("text", [".", "-.", "+.", ".e5", "-.E+1"])
def test_scalar_without_a_digit_before_its_exponent_is_text(tmp_path, text):
    path = tmp_path / "dots.yaml"
    path.write_text(f"destination: {text}\n")
    assert read_document(path).values == {"destination": text}


@given(st.text("+-.eE019", min_size=1, max_size=6))
@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_scalar_like_a_number_is_one_or_is_text_or_a_sentence(tmp_path, text):
    path = tmp_path / "numbers.yaml"
    path.write_text(f"a: {text}\n")
    document = read_document(path)
    if not isinstance(document, list):
        value = document.values["a"]
        assert value == (text if isinstance(value, str) else float(text))


def test_byte_order_mark_and_windows_line_ends_are_read(tmp_path):
    path = tmp_path / "windows.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\r\nb:\r\n  c: 2\r\n")
    document = read_document(path)
    assert document.values == {"a": 1, "b": {"c": 2}}
    assert document.line_of(("b", "c")) == 3
