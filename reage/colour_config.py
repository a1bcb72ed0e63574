"""Colourspaces of an OpenColorIO configuration: a studio's own, `$OCIO`, or a built-in ACES one.

An image carries such a colourspace by a name that says where its configuration lies,
`<configuration>::<colourspace>`. The way to linear BT.709 and back is the configuration's own,
through the interchange role that every ACES-aware configuration has.

The door to the OpenColorIO package. Source: opencolorio.readthedocs.io, "Interchange roles".
"""

import difflib
import hashlib
import os
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
import PyOpenColorIO as OCIO
from numpy.typing import NDArray

from reage.errors import ColourError

Pixels = NDArray[np.float32]

BUILT_IN = "ocio://"
DEFAULT_CONFIG = f"{BUILT_IN}studio-config-v2.2.0_aces-v1.3_ocio-v2.4"
_SEPARATOR = "::"
_LINEAR_REC709 = "Linear Rec.709 (sRGB)"


@dataclass(frozen=True, eq=False)
class ConfigColourspace:
    """A colourspace of a configuration.

    Attributes:
        name: As images carry it.
        is_linear: Proportional to light.
        files: LUTs that its transforms read.
        stamps: Which state of each file they were read in.
    """

    name: str
    is_linear: bool
    files: tuple[str, ...]
    stamps: tuple[tuple[int, int] | None, ...]
    _to_rec709: OCIO.CPUProcessor
    _from_rec709: OCIO.CPUProcessor
    is_display_referred: bool = False

    def to_rec709(self, pixels: Pixels, *, exposure: float) -> Pixels:
        """Returns linear BT.709, `exposure` stops brighter, like (H, W, 3)."""
        linear = _applied(self._to_rec709, pixels)
        linear *= np.float32(2.0**exposure)
        return linear

    def own_step(self, before: Pixels, after: Pixels, *, exposure: float) -> Pixels:
        """Returns the step of own numbers from one linear BT.709 picture to another."""
        darker = np.float32(2.0**-exposure)
        if self.is_linear:
            return _applied(self._from_rec709, (after - before) * darker)
        step = _applied(self._from_rec709, after * darker)
        step -= _applied(self._from_rec709, before * darker)
        return step


def is_of_config(name: str) -> bool:
    """Whether an image's colourspace is one of a configuration."""
    return _SEPARATOR in name


def config_place(stated: str | None) -> str:
    """Returns which configuration counts: the one stated, else `$OCIO`, else the default one."""
    return stated or os.environ.get("OCIO") or DEFAULT_CONFIG


def in_config(name: str, place: str) -> str:
    """Returns the name by which images carry a colourspace of a configuration.

    Args:
        name: A colourspace, alias or role.
        place: A file, or `ocio://` and the name of a built-in one.

    Raises:
        ColourError: There is no such configuration, or no such colourspace in it.
    """
    config = _config(place)
    canonical = config.getCanonicalName(name)
    if not canonical:
        known = list(config.getColorSpaceNames())
        near = difflib.get_close_matches(name.lower(), [n.lower() for n in known], 1, 0.5)
        meant = next((n for n in known if near and n.lower() == near[0]), None)
        cure = f"; did you mean {meant}" if meant else ""
        raise ColourError(
            f"colourspace: got {name!r}, expected one of the {len(known)} of {place}{cure}"
        )
    return f"{place}{_SEPARATOR}{canonical}"


def in_words(name: str) -> str:
    """Returns an image's colourspace as people write it: `ACEScct (studio.ocio)`."""
    if not is_of_config(name):
        return name
    place = name.rpartition(_SEPARATOR)[0]
    return f"{own_name(name)} ({place.removeprefix(BUILT_IN).rpartition('/')[2]})"


def own_name(name: str) -> str:
    """Returns what a colourspace is called in its configuration, wherever that lies."""
    return name.rpartition(_SEPARATOR)[2]


def find_config_colourspace(name: str) -> ConfigColourspace:
    """Opens a colourspace by the name that images carry.

    Raises:
        ColourError: The configuration cannot be read, or has no way from it to linear BT.709.
    """
    place, _, own = name.rpartition(_SEPARATOR)
    space = _colourspace(place, own, _stamp(place))
    if space.stamps != tuple(map(_stamp, space.files)):  # a LUT was replaced while we ran
        OCIO.ClearAllCaches()
        _loaded.cache_clear()
        _colourspace.cache_clear()
        space = _colourspace(place, own, _stamp(place))
    return space


def config_digest(name: str) -> str:
    """Returns the SHA-256 (hex) of the configuration and the LUTs that a colourspace rests on."""
    place = name.rpartition(_SEPARATOR)[0]
    whole = hashlib.sha256(_config(place).serialize().encode())
    for file in find_config_colourspace(name).files:
        whole.update(Path(file).read_bytes())
    return whole.hexdigest()


def _stamp(place: str) -> tuple[int, int] | None:
    """Tells one state of a configuration's file from another."""
    if place.startswith(BUILT_IN):
        return None
    try:
        found = os.stat(place)
    except OSError as error:
        is_missing = isinstance(error, FileNotFoundError)
        what = "which is not there" if is_missing else f"which cannot be read ({error.strerror})"
        raise ColourError(
            f"OpenColorIO configuration: got {place!r}, {what}, expected a file; correct "
            "plate.ocio or $OCIO, or bring the LUT back"
        ) from error
    return found.st_mtime_ns, found.st_size


def _config(place: str) -> OCIO.Config:
    return _loaded(place, _stamp(place))


@lru_cache(maxsize=4)
def _loaded(place: str, stamp: tuple[int, int] | None) -> OCIO.Config:
    try:
        return OCIO.Config.CreateFromFile(place)
    except OCIO.Exception as error:
        built_in = ", ".join(f"{BUILT_IN}{name}" for name, *_ in _built_in())
        expected = f"one of {built_in}" if place.startswith(BUILT_IN) else "one that loads"
        raise ColourError(
            f"{place}: OpenColorIO configuration: got {_said(error)}, expected {expected}"
        ) from error


def _built_in() -> list[tuple[str, ...]]:
    return list(OCIO.BuiltinConfigRegistry().getBuiltinConfigs())


@lru_cache(maxsize=16)
def _colourspace(place: str, own: str, stamp: tuple[int, int] | None) -> ConfigColourspace:
    config = _loaded(place, stamp)
    space = config.getColorSpace(own)
    if space is None or space.isData():
        what = "no such colourspace" if space is None else "numbers that are no colour"
        raise ColourError(f"colourspace: got {own!r} ({what}), expected a colour of {place}")
    if space.getReferenceSpaceType() == OCIO.REFERENCE_SPACE_DISPLAY:
        raise ColourError(
            f"colourspace: got {own!r} of {place}, a display's, expected a scene-referred one; "
            "for pictures made for a screen say rec709 or srgb"
        )
    try:
        there = OCIO.Config.GetProcessorToBuiltinColorSpace(config, own, _LINEAR_REC709)
        back = OCIO.Config.GetProcessorFromBuiltinColorSpace(_LINEAR_REC709, config, own)
        files = {*there.getProcessorMetadata().getFiles(), *back.getProcessorMetadata().getFiles()}
        return ConfigColourspace(
            name=f"{place}{_SEPARATOR}{own}",
            is_linear=config.isColorSpaceLinear(own, OCIO.REFERENCE_SPACE_SCENE),
            files=tuple(sorted(files)),
            stamps=tuple(map(_stamp, sorted(files))),
            _to_rec709=_exact(there),
            _from_rec709=_exact(back),
        )
    except OCIO.Exception as error:
        raise ColourError(
            f"{place}: {own}: got {_said(error)}, expected a way to linear BT.709; the "
            "configuration needs its LUTs and the role aces_interchange or cie_xyz_d65_interchange"
        ) from error


def _exact(processor: OCIO.Processor) -> OCIO.CPUProcessor:
    """Takes no short cuts: the default optimisation has approximate logarithms."""
    return processor.getOptimizedCPUProcessor(
        OCIO.BIT_DEPTH_F32, OCIO.BIT_DEPTH_F32, OCIO.OPTIMIZATION_LOSSLESS
    )


def _applied(processor: OCIO.CPUProcessor, pixels: Pixels) -> Pixels:
    result = np.array(pixels, np.float32, order="C")
    if result.size:
        processor.applyRGB(result)
    return result


def _said(error: OCIO.Exception) -> str:
    """Returns what OpenColorIO says, in one line."""
    return " ".join(str(error).split())[:160]
