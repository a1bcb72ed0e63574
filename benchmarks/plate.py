"""Judges how much of the network's change reaches the plate, and at which resolution.

    make bench-plate CLIPS="FILE ..." JUDGES=FOLDER

Plates are the demo's at 720p and 1080p (a photograph of 512 px enlarged: their finest bands hold
grain, not skin) and the clips given, none enlarged. JUDGES as of benchmarks/prior. Strips of
before and after at 100 % go to work/bench-plate/. Figures of each variant (plate_variants.py), the
first of two ages in years:

- gain_share: judged years gained on the plate over those gained in the network's crop, the same
  square, crop + change with no matte. The plate's square is sampled at 256 px.
- beyond_crop: share of the change's energy inside the matte that the crop's grid cannot hold.
- fine_energy: the plate's band between grain and 0.75 crop pixels, rms after over before.
- grain: local variance of the finest band, after over before: median and 95th percentile.
- shimmer: rms of the same fine band's difference between frames, after over before.
- overshoot: codes of 255 by which the result leaves the range of its plain neighbourhood.
- composite_ratio: time of the product's composite with detail 1 over detail 0.
"""

import argparse
import tempfile
import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image as Picture
from rich.console import Console
from rich.table import Table

from benchmarks.judges import load_judges
from benchmarks.plate_shot import AGES, Shot, prepare, square
from benchmarks.plate_variants import VARIANTS, Pixels, Variant, blurred
from benchmarks.record import record
from models.ageing.loading import load_prior
from reage.colour import add_display_change, luma, to_display
from reage.compositing import Layer, composite, crop_window, layer_matte
from reage.geometry import WarpedPatch, warp_to_crop, warp_to_plate
from reage.image import Image
from reage.lettering import draw_text
from reage.registry.priors import find_prior
from studio.demo_plate import write_demo_plate
from tasks.refs import PriorRef

SQUARE = 256
STRIPS = Path("work/bench-plate")


def result_of(plate: Image, layer: Layer, variant: Variant) -> Pixels:
    """Returns the display view (H, W, 3) of the plate with a variant's change."""
    patch = variant(to_display(plate), layer)
    size = (plate.width, plate.height)
    window = warp_to_plate(crop_window(layer.change.shape[0]), layer.plate_from_crop, size).pixels
    pixels = np.asarray(patch.pixels * window.reshape(*window.shape[:2], 1), np.float32)
    patch = WarpedPatch(patch.roi, pixels)
    after = add_display_change(plate, patch.full(size), layer_matte(layer, size))
    return to_display(after)


def measure(shot: Shot, age: float, variant: Variant, judge: Any) -> dict[str, float]:
    """Returns the figures of one variant at one target age, means over the frames."""
    rows, squares, previous = [], [], None
    for plate, layer in zip(shot.plates, shot.layers[age], strict=True):
        view, size = to_display(plate), (plate.width, plate.height)
        after = result_of(plate, layer, variant)
        squares.append(square(after, layer, SQUARE))
        inside = layer_matte(layer, size) > 0.9
        before, now = luma(view), luma(after)
        fine = _fine(before, layer), _fine(now, layer)
        row = _figures(before, now, fine, inside)
        row["beyond_crop"] = _beyond_crop(after - view, layer, inside)
        row["overshoot"] = _overshoot(plate, layer, now, inside)
        if previous is not None:
            moved = [(x - y)[inside].std() for x, y in zip(fine, previous, strict=True)]
            row["shimmer"] = float(moved[1] / moved[0])
        previous = fine
        rows.append(row)
    names = dict.fromkeys(name for row in rows for name in row)
    figures = {n: float(np.mean([row[n] for row in rows if n in row])) for n in names}
    originals = [square(to_display(p), x, SQUARE) for p, x in _pairs(shot, age)]
    changes = np.stack([layer.change for layer in shot.layers[age]])
    figures["crop_gain_years"] = _gain(judge, shot.crops, shot.crops + changes)
    figures["gain_years"] = _gain(judge, originals, squares)
    figures["gain_share"] = figures["gain_years"] / figures["crop_gain_years"]
    return {name: round(value, 4) for name, value in figures.items()}


def _pairs(shot: Shot, age: float) -> list[tuple[Image, Layer]]:
    return list(zip(shot.plates, shot.layers[age], strict=True))


def _gain(judge: Any, before: Sequence[Pixels] | Pixels, after: Sequence[Pixels] | Pixels) -> float:
    old, new = (judge.ages(np.stack([_codes(x) for x in y])).mean() for y in (before, after))
    return float(new - old)


def _codes(view: Pixels) -> NDArray[np.uint8]:
    return np.clip(np.rint(view * 255), 0, 255).astype(np.uint8)


def _fine(shading: Pixels, layer: Layer) -> Pixels:
    return blurred(shading, 0.7) - blurred(shading, max(0.71, 0.75 * layer.plate_from_crop.scale))


def _figures(
    before: Pixels,
    now: Pixels,
    fine: tuple[Pixels, Pixels],
    inside: NDArray[np.bool_],
) -> dict[str, float]:
    grain = [blurred(np.square(x - blurred(x, 0.6)), 6.0) for x in (before, now)]
    ratio = (grain[1] / np.maximum(grain[0], 1e-12))[inside]
    return {
        "fine_energy": float(fine[1][inside].std() / fine[0][inside].std()),
        "grain": float(np.median(ratio)),
        "grain_p95": float(np.percentile(ratio, 95)),
    }


def _beyond_crop(change: Pixels, layer: Layer, inside: NDArray[np.bool_]) -> float:
    shading, side = luma(change), layer.change.shape[0]
    size = (change.shape[1], change.shape[0])
    held = warp_to_crop(shading, layer.plate_from_crop.inverse(), (side, side))
    rest = shading - warp_to_plate(held, layer.plate_from_crop, size).full(size)
    return float(np.square(rest[inside]).sum() / np.square(shading[inside]).sum())


def _overshoot(plate: Image, layer: Layer, now: Pixels, inside: NDArray[np.bool_]) -> float:
    usual = luma(result_of(plate, layer, VARIANTS["plain"]))
    kernel = np.ones((int(2 * layer.plate_from_crop.scale) | 1,) * 2, np.uint8)
    high, low = cv2.dilate(usual, kernel), cv2.erode(usual, kernel)
    return 255 * float(np.percentile(np.maximum(now - high, low - now).clip(0)[inside], 99.5))


def composite_milliseconds(shot: Shot) -> dict[str, float]:
    """Times the product's composite without and with detail, best of five in turns."""
    seconds: dict[float, list[float]] = {0.0: [], 1.0: []}
    for _ in range(5):
        for detail, taken in seconds.items():
            layer = replace(shot.layers[AGES[0]][0], detail=detail)
            started = time.perf_counter()
            composite(shot.plates[0], [layer])
            taken.append(time.perf_counter() - started)
    plain, detailed = (1000 * min(taken) for taken in seconds.values())
    return {"plain_ms": plain, "detail_ms": detailed, "composite_ratio": detailed / plain}


def write_strip(shot: Shot, path: Path) -> None:
    """Writes the middle frame's face at 100 %: plate, then every variant, at the first age."""
    index = len(shot.plates) // 2
    plate, layer = shot.plates[index], shot.layers[AGES[0]][index]
    side = float(len(layer.change))
    corners = layer.plate_from_crop.apply(np.array([[0.0, 0.0], [side, side]]))
    left, top = np.maximum(corners[0].astype(int), 0)
    right, bottom = corners[1].astype(int)
    views = {"plate": to_display(plate)}
    views |= {name: result_of(plate, layer, variant) for name, variant in VARIANTS.items()}
    cuts = []
    for name, view in views.items():
        cut = _codes(view[top:bottom, left:right])
        draw_text(cut, name, (6, 16), size=13, colour=(255, 255, 255))
        cuts.append(cut)
    rows = [np.concatenate(cuts[i : i + 4], axis=1) for i in range(0, len(cuts), 4)]
    path.parent.mkdir(parents=True, exist_ok=True)
    Picture.fromarray(np.concatenate(rows)).save(path)


def show(name: str, figures: dict[str, dict[str, float]]) -> None:
    """Prints one plate's variants."""
    columns = list(next(iter(figures.values())))
    table = Table("variant", *columns, title=name, box=None)
    for variant, row in figures.items():
        table.add_row(variant, *(f"{row[column]:.3f}" for column in columns))
    Console(width=220).print(table)


def main() -> None:
    """Compares the variants on every plate, writes strips and keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--judges", type=Path, required=True)
    parser.add_argument("--clips", type=Path, nargs="*", default=[])
    parser.add_argument("--prior", type=Path, default=find_prior().folder)
    parser.add_argument("--frames", type=int, default=4)
    parser.add_argument("--no-record", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    _, judge = load_judges(options.judges)
    prior = PriorRef(
        name=options.prior.name,
        folder=str(options.prior),
        digest=load_prior(options.prior).digest,
    )
    plates: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder) / "demo_720p.mov", Path(folder) / "demo_1080p.mov", *options.clips]
        for path, size in zip(paths[:2], ((1280, 720), (1920, 1080)), strict=True):
            write_demo_plate(path, num_frames=options.frames, size=size)
        for path in paths:
            work = Path(folder) / path.stem
            shot = prepare(path, prior, num_frames=options.frames, work=work)
            by_age = {
                f"{age:g}": {n: measure(shot, age, v, judge) for n, v in VARIANTS.items()}
                for age in AGES
            }
            for age, figures in by_age.items():
                show(f"{path.stem}, to {age}", figures)
            write_strip(shot, STRIPS / f"{path.stem}.png")
            scale = shot.layers[AGES[0]][0].plate_from_crop.scale
            timing = composite_milliseconds(shot)
            plates[path.stem] = {"plate_px_per_crop_px": scale, **timing, "variants": by_age}
    if not options.no_record:
        facts = {"prior": prior.name, "digest": prior.digest, "frames": options.frames}
        print(f"wrote {record('plate', {**facts, 'plates': plates})}")


if __name__ == "__main__":
    main()
