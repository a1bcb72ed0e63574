"""What a stream says about its colour, and the matrices between code values and RGB.

FFmpeg's own conversion takes BT.601 for everything that is not told otherwise, so nothing here is
left to it: every YUV plane goes through a matrix made from the tags.

Source: ITU-T H.273 (code points, matrix and range equations); ITU-R BT.601-7, BT.709-6, BT.2020-2.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

# H.273 code points, as FFmpeg numbers them.
UNSPECIFIED = 2
_MATRICES = {
    0: "rgb",
    1: "bt709",
    4: "fcc",
    5: "bt601",
    6: "bt601",
    7: "smpte240m",
    9: "bt2020",
}
_PRIMARIES = {
    1: "bt709",
    4: "bt470m",
    5: "bt601-625",
    6: "bt601-525",
    7: "smpte240m",
    8: "film",
    9: "bt2020",
    10: "xyz",
    11: "dci-p3",
    12: "display-p3",
    22: "ebu3213",
}
_TRANSFERS = {
    1: "bt709",
    4: "gamma2.2",
    5: "gamma2.8",
    6: "bt601",
    7: "smpte240m",
    8: "linear",
    9: "log",
    10: "log-sqrt",
    11: "xvycc",
    12: "bt1361",
    13: "srgb",
    14: "bt2020-10",
    15: "bt2020-12",
    16: "pq",
    17: "dci",
    18: "hlg",
}
_LUMA_WEIGHTS = {  # (red, blue)
    "bt709": (0.2126, 0.0722),
    "fcc": (0.30, 0.11),
    "bt601": (0.299, 0.114),
    "smpte240m": (0.212, 0.087),
    "bt2020": (0.2627, 0.0593),
}
HD_HEIGHT = 720


@dataclass(frozen=True, slots=True)
class ColourTags:
    """A stream's colour description, resolved.

    Attributes:
        matrix: rgb, bt709, bt601, bt2020, smpte240m or fcc; `unknown-<n>` for one not handled.
        range: limited or full.
        primaries: As tagged, or unspecified.
        transfer: As tagged, or unspecified.
        assumed: Which of matrix and range the stream left open and we filled in.
    """

    matrix: str
    range: str
    primaries: str
    transfer: str
    assumed: tuple[str, ...] = ()

    @property
    def is_matrix_known(self) -> bool:
        """Whether the pixels can be turned into RGB."""
        return self.matrix == "rgb" or self.matrix in _LUMA_WEIGHTS


def resolve_tags(
    matrix: int, *, colour_range: int, primaries: int, transfer: int, is_rgb: bool, height: int
) -> ColourTags:
    """Names H.273 code points and fills in what a stream leaves open.

    An untagged matrix is BT.709 from 720 lines up, BT.601 below; an untagged range is limited for
    YUV and full for RGB. Both are listed in `assumed`.
    """
    assumed: list[str] = []
    if is_rgb:
        matrix_name = "rgb"
    elif matrix in (UNSPECIFIED, 0, 3):  # 0 says RGB, which a YUV layout cannot be
        matrix_name = "bt709" if height >= HD_HEIGHT else "bt601"
        assumed.append("matrix")
    else:
        matrix_name = _MATRICES.get(matrix, f"unknown-{matrix}")
    range_name = {1: "limited", 2: "full"}.get(colour_range)
    if range_name is None:
        range_name = "full" if is_rgb else "limited"
        assumed.append("range")
    return ColourTags(
        matrix=matrix_name,
        range=range_name,
        primaries=_PRIMARIES.get(primaries, "unspecified"),
        transfer=_TRANSFERS.get(transfer, "unspecified"),
        assumed=tuple(assumed),
    )


def _yuv_from_rgb_unit(matrix: str) -> NDArray[np.float64]:
    """Builds the 3x3 matrix to Y (0-1) and Cb, Cr (-0.5 to 0.5)."""
    red, blue = _LUMA_WEIGHTS[matrix]
    luma = np.array([red, 1 - red - blue, blue])
    return np.stack(
        [
            luma,
            (np.array([0, 0, 1]) - luma) / (2 * (1 - blue)),
            (np.array([1, 0, 0]) - luma) / (2 * (1 - red)),
        ]
    )


def codes_from_rgb(matrix: str, *, colour_range: str, bits: int) -> NDArray[np.float64]:
    """Builds the affine map from RGB (0-1) to YCbCr code values.

    Args:
        matrix: A key of the luma weights, for instance bt709.
        colour_range: limited or full.
        bits: Of the code values.

    Returns:
        float64, (3, 4); the last column is the offset.
    """
    step = 2.0 ** (bits - 8)
    if colour_range == "limited":
        scale = np.array([219, 224, 224]) * step
        offset = np.array([16, 128, 128]) * step
    else:
        scale = np.full(3, 2.0**bits - 1)
        offset = np.array([0, 128, 128]) * step
    return np.column_stack([_yuv_from_rgb_unit(matrix) * scale[:, None], offset])


def rgb_from_codes(matrix: str, *, colour_range: str, bits: int) -> NDArray[np.float64]:
    """Builds the inverse of `codes_from_rgb`, float64, (3, 4)."""
    forward = codes_from_rgb(matrix, colour_range=colour_range, bits=bits)
    inverse = np.linalg.inv(forward[:, :3])
    return np.column_stack([inverse, -inverse @ forward[:, 3]])
