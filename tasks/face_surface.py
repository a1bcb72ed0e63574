"""A cast actor's face as a surface: from crops to its chart and back, for the tasks of surface.py.

Holds no task. T frames, S side of synthesised crops, N side of the chart, n side of the chart on
which frames are registered.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

import cv2
import numpy as np
from numpy.typing import NDArray

from models.ageing.prior import Prior
from reage.colour import luma
from reage.framerange import FrameRange
from reage.geometry import Similarity
from reage.occlusion.holdout import Holdout
from reage.optical_flow import resized
from reage.stored_rows import StoredRows
from reage.surface.carrying import render, unwrap
from reage.surface.chart import Chart, visibility
from reage.surface.key_frame import usual_sharpness
from reage.surface.registration import SIDE
from reage.surface.skin import Sample
from reage.surface.trajectories import Moment
from tasks.crops import Cropper, crop_from_synthesis
from tasks.gpu import loaded_prior
from tasks.holdouts import open_holdout
from tasks.refs import CastRef, ChangesRef, LatentsRef, PlanRef, PriorRef

Pixels = NDArray[np.float32]
Flows = StoredRows | NDArray[np.floating]  # (T, 2, n, n, 2): frame from chart, chart from frame
Textures = Iterator[tuple[int, Pixels]]

_TEXELS_PER_PIXEL = 1.5  # of the chart's side, for a pixel of the crop's
_LARGEST_CHART = 1536  # texels a side
_STRENGTH_YEARS = 40.0  # that the whole way from prior to adapter counts for
_COVERED = np.float32(1e-3)  # what is left of a place's confidence where it is covered
_BESIDE = np.ones((5, 5), np.uint8)  # texels or pixels around a cover that count as covered
_SHARP_ENOUGH = 0.5  # of the sharpest frames: what is below counts less, by the square


@dataclass(frozen=True, eq=False)
class FaceSurface:
    """The face of one track, in synthesised crops.

    Attributes:
        frames: Of the shot.
        takes: Those that show the actor, between cuts; nothing is asked of the others.
        ages: The age each frame shows, years, (T,); where that stays and the adapter's strength is
            keyframed, the strength in its stead, all of it counting as some decades.
        crop_from_plate: Of each frame, to pixel centres of synthesised crops.
        landmarks: (T, K, 2) pixels of synthesised crops.
        depths: (T, K) likewise.
        credit: (T,) how far each frame is believed as a whole, above 0 up to 1.
        prior: That synthesised the crops.
        holdout: What is in front of the face; None where nothing was looked for.
    """

    frames: FrameRange
    takes: tuple[FrameRange, ...]
    ages: NDArray[np.float64]
    crop_from_plate: tuple[Similarity, ...]
    landmarks: NDArray[np.float64]
    depths: NDArray[np.float64]
    credit: NDArray[np.float32]
    prior: Prior
    holdout: Holdout | None = None

    @classmethod
    def of(cls, cast: CastRef, prior: PriorRef, plan: PlanRef) -> Self:
        """Opens the surface of a cast actor whose ageing is planned."""
        network = loaded_prior(prior)
        cropper = Cropper.of(cast, network)
        track = cropper.track
        ways = tuple(cropper.plate_from_synthesis(frame).inverse() for frame in track.frames)
        with np.load(plan.path) as planned:
            ages, sharpness = _keyframed(planned), planned["sharpness"]
        enough = _SHARP_ENOUGH * usual_sharpness(sharpness, track.fade)
        sharp = np.clip(sharpness / enough, 0.0, 1.0) ** 2
        pairs = list(zip(ways, track.landmarks, track.depths, strict=True))
        return cls(
            frames=track.frames,
            takes=tuple(cast.parts(track.frames)),
            ages=np.asarray(ages, np.float64),
            crop_from_plate=ways,
            landmarks=np.stack([way.apply(points) for way, points, _ in pairs]),
            depths=np.stack([way.scale * depths for way, _, depths in pairs]),
            credit=np.maximum(track.fade * sharp, 1e-3).astype(np.float32),
            prior=network,
            holdout=None if plan.occlusion is None else open_holdout(plan.occlusion, cast),
        )

    @property
    def size(self) -> int:
        """S, pixels."""
        return self.prior.config.synthesis_size

    @cached_property
    def chart(self) -> Chart:
        """On which changes are laid out."""
        return self._chart(min(int(_TEXELS_PER_PIXEL * self.size), _LARGEST_CHART))

    def plates(
        self, latents: Sequence[LatentsRef], takes: Sequence[FrameRange]
    ) -> Iterator[tuple[int, Pixels, Pixels]]:
        """Yields row, plate's luma on the chart of n texels and its confidence, frame by frame."""
        chart, way = self._registering, crop_from_synthesis(self.prior)
        for frame, crop in _encoded(latents, "crops", self.frames):
            if not any(frame in take for take in takes):
                continue
            row = self.frames.index_of(frame)
            shading = luma(crop.astype(np.float32))
            plate = unwrap(shading[..., None], way.apply(self.landmarks[row]), chart)[..., 0]
            yield row, plate, self._confidence(row, chart)

    def samples(
        self, changes: Sequence[ChangesRef], frames: FrameRange, flows: Flows
    ) -> Iterator[Sample]:
        """Yields the changes of `frames` on the chart, in order."""
        for frame, change in _decoded(changes, frames):
            row = self.frames.index_of(frame)
            yield Sample(
                frame=frame,
                texture=self._laid(change, row, flows),
                confidence=self._confidence(row, self.chart) * self.credit[row],
                age=float(self.ages[row]),
            )

    def moments(
        self, latents: Sequence[LatentsRef], changes: Sequence[ChangesRef], frames: FrameRange
    ) -> Iterator[Moment]:
        """Yields the changes of `frames` beside the plate, in order."""
        both = zip(_encoded(latents, "plate", frames), _decoded(changes, frames), strict=True)
        for (frame, plate), (_, change) in both:
            yield Moment(frame=frame, plate=plate, change=change, credit=self._credit(frame))

    def from_key_frame(
        self, changes: Sequence[ChangesRef], key_frame: int, frames: FrameRange, flows: Flows
    ) -> Textures:
        """Yields frame and texture: what was decoded for the frame from the key frame's latents."""
        key = self.frames.index_of(key_frame)
        for frame, change in _decoded(changes, frames):
            yield frame, self._laid(change, key, flows)

    def drawn(self, frame: int, texture: Pixels, flows: Flows) -> Pixels:
        """Draws a texture (N, N, C) as a frame shows the face, (S, S, C)."""
        row = self.frames.index_of(frame)
        return render(
            texture,
            self.landmarks[row],
            self.depths[row],
            self.chart,
            self.size,
            chart_from_frame=self._flow(flows, row, 1),
        )

    def _laid(self, change: Pixels, row: int, flows: Flows) -> Pixels:
        flow = self._flow(flows, row, 0)
        return unwrap(change, self.landmarks[row], self.chart, frame_from_chart=flow)

    def _flow(self, flows: Flows, row: int, way: int) -> Pixels:
        return resized(np.asarray(flows[row][way], np.float32), self.chart.side)

    def _confidence(self, row: int, chart: Chart) -> Pixels:
        squarely = visibility(self.landmarks[row], self.depths[row], chart.triangles)
        confidence = chart.mixed(squarely[:, None])[..., 0]
        if self.holdout is None:
            return confidence
        covered = self.holdout.on_chart(self.frames.first + row, chart)
        if covered is None:
            return confidence
        return confidence * _uncovered(covered)

    def _credit(self, frame: int) -> Pixels:
        """How far a frame's crop is believed, (S, S): what is in front of the face is not."""
        row = self.frames.index_of(frame)
        whole = np.full((self.size, self.size), self.credit[row], np.float32)
        if self.holdout is None:
            return whole
        covered = self.holdout.in_crop_of(frame, self.crop_from_plate[row], self.size)
        return whole if covered is None else whole * _uncovered(covered)

    @cached_property
    def _registering(self) -> Chart:
        return self._chart(SIDE)

    def _chart(self, side: int) -> Chart:
        seen = self.credit.astype(np.float64)
        return Chart.of_shot(self.landmarks, self.depths, seen, side=side)


def _uncovered(covered: Pixels) -> Pixels:
    return np.asarray(np.maximum(1 - cv2.dilate(covered, _BESIDE), _COVERED), np.float32)


def _encoded(
    latents: Sequence[LatentsRef], name: str, frames: FrameRange
) -> Iterator[tuple[int, Any]]:
    """Yields each of `frames` and what was kept of it under a name, in order."""
    for ref in latents:
        if ref.frames.overlaps(frames):
            with np.load(ref.path) as kept:
                rows = kept[name]
            yield from ((f, row) for f, row in zip(ref.frames, rows, strict=True) if f in frames)


def _decoded(changes: Sequence[ChangesRef], frames: FrameRange) -> Iterator[tuple[int, Any]]:
    for ref in changes:
        if ref.frames.overlaps(frames):
            stored = np.load(ref.path, mmap_mode="r")
            for frame in ref.frames.intersection(frames):
                yield frame, np.array(stored[ref.frames.index_of(frame)])


def _keyframed(planned: Mapping[str, NDArray[np.float64]]) -> NDArray[np.float64]:
    """What tells changes of frames apart that are not meant to agree, (T,)."""
    ages = planned["target_age"]
    if "place" in planned and not np.ptp(ages):
        return ages + _STRENGTH_YEARS * planned["place"]
    return ages
