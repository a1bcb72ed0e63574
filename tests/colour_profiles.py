"""Minimal ICC profiles, built by hand: RGB by primaries and a gamma, CMYK by a table of Lab.

Source: ICC.1:2001-04, sections 6.1 (header), 6.5.3 (curve) and 6.5.7 (lut8Type).
"""

import itertools
import struct

import numpy as np

# Colorants adapted to D50, columns red, green, blue.
SRGB = np.array(
    [[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]]
)
ADOBE_RGB = np.array(
    [[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]]
)
DISPLAY_P3 = np.array(
    [[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]]
)
GAMMA = 2.19921875
_D50 = (0.9642, 1.0, 0.8249)


def rgb_profile(colorants, *, name="Wide RGB"):
    """A display profile of these colorants and GAMMA."""
    curve = b"curv" + bytes(4) + struct.pack(">IH", 1, round(GAMMA * 256))
    tags = {"desc": _description(name), "cprt": _text("none"), "wtpt": _xyz(_D50)}
    for letter, column in zip("rgb", colorants.T, strict=True):
        tags[f"{letter}XYZ"] = _xyz(column)
        tags[f"{letter}TRC"] = curve
    return _profile(b"mntr", b"RGB ", b"XYZ ", tags)


def cmyk_profile(lab_of):
    """A press profile: `lab_of(c, m, y, k)` gives the Lab colour of each corner, inks 0 or 1."""
    corners = [lab_of(*inks) for inks in itertools.product((0, 1), repeat=4)]
    table = bytes(
        np.clip(np.rint([v for L, a, b in corners for v in (L * 2.55, a + 128, b + 128)]), 0, 255)
        .astype(np.uint8)
        .tobytes()
    )
    straight = bytes(range(256))
    identity = struct.pack(">9i", *(65536 * (i % 4 == 0) for i in range(9)))
    lut = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + identity + straight * 4 + table + straight * 3
    tags = {"desc": _description("Press"), "cprt": _text("none"), "wtpt": _xyz(_D50), "A2B0": lut}
    return _profile(b"prtr", b"CMYK", b"Lab ", tags)


def _profile(kind, space, connection, tags):
    offset, table, body = 132 + 12 * len(tags), b"", b""
    for signature, content in tags.items():
        data = content + bytes(-len(content) % 4)
        table += signature.encode() + struct.pack(">II", offset + len(body), len(data))
        body += data
    header = struct.pack(
        ">I4sI4s4s4s", offset + len(body), b"none", 0x02400000, kind, space, connection
    )
    header += struct.pack(">6H4s", 2026, 1, 1, 0, 0, 0, b"acsp") + bytes(28)
    header += b"".join(struct.pack(">i", round(v * 65536)) for v in _D50)
    return header.ljust(128, b"\0") + struct.pack(">I", len(tags)) + table + body


def _xyz(values):
    return b"XYZ " + bytes(4) + b"".join(struct.pack(">i", round(v * 65536)) for v in values)


def _text(text):
    return b"text" + bytes(4) + text.encode() + b"\0"


def _description(text):
    ascii_part = struct.pack(">I", len(text) + 1) + text.encode() + b"\0"
    return b"desc" + bytes(4) + ascii_part + bytes(8) + bytes(3 + 67)
