"""The movies and sequences of a delivery, growing frame by frame in one pass over the shot.

Holds no task: it is what the task that packages a shot writes with. An EXR master is the plate's
own file with another picture in it, overscan included; everything else shows the display window.
"""

from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from reage.anamorphic import square_size
from reage.burnin import ActorAges, Slate, age_caption, spans_caption
from reage.colour import find_colourspace, to_display
from reage.colour_config import in_words
from reage.delivery import delivered_name
from reage.geometry import Roi
from reage.image import Image
from reage.manifest.shot import ActorInShot, ShotManifest
from reage.review import ClipFormat, ReviewClip, WipeClip
from reage.timeline import Medium, write_timeline
from reage.tracks import Track
from reage.video import ExrWriter, FrameWriter, PlateInfo, open_writer
from tasks.crops import ShotFrame
from tasks.package_refs import JobRef
from tasks.refs import CastRef, ChunkRef, FrameSetRef, PlanRef, PriorRef

SEQUENCES = {"png16": "png", "tiff16": "tiff", "exr": "exr"}
MOST_BITS_OF_A_HALF = 10  # codes of as many bits survive rounding to half floats

ActorWork = tuple[ActorInShot, CastRef, PlanRef]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class ShotWork:
    """What one pass over the shot needs at hand."""

    manifest: ShotManifest
    job: JobRef
    frame_set: FrameSetRef
    info: PlateInfo
    chunks: Sequence[ChunkRef]
    actors: Sequence[ActorWork]
    tracks: Sequence[Track]
    prior: PriorRef

    @property
    def seen_size(self) -> tuple[int, int]:
        """Width and height of the plate at square pixels, px."""
        return square_size(self.info.width, self.info.height, self.info.pixel_aspect)

    @property
    def seen_window(self) -> Roi:
        """The display window at square pixels."""
        shown, (width, height) = self.info.shown, self.seen_size
        across, down = width / self.info.width, height / self.info.height
        left, top = round(shown.left * across), round(shown.top * down)
        right = round((shown.left + shown.width) * across)
        bottom = round((shown.top + shown.height) * down)
        return Roi(left, top, right - left, bottom - top)

    def ages_at(self, frame: int) -> list[ActorAges]:
        """Returns the actors' ages in a frame, in the manifest's order."""
        return [
            ActorAges(actor.actor, plan.source_age, actor.target_age_at(frame))
            for actor, _, plan in self.actors
        ]


class Outputs:
    """Master, matte and clips, opened in a folder for as long as `stack` lasts.

    Args:
        shot: What is delivered.
        folder: Where to.
        stack: Closes them.
        attributes: Written into every EXR file, text by name.
    """

    def __init__(
        self, shot: ShotWork, folder: Path, stack: ExitStack, attributes: Mapping[str, str]
    ) -> None:
        self._shot = shot
        delivery = shot.manifest.delivery
        space = shot.frame_set.colourspace
        # A movie is encoded; an EXR sequence keeps the plate's own numbers, whatever they are.
        self._is_own_space = delivery.master == "exr" or not find_colourspace(space).is_linear
        self._master = self._open_master(folder, attributes)
        self._matte = self._open_matte(folder)
        stack.enter_context(self._master)
        stack.enter_context(self._matte)
        self._clips: tuple[ReviewClip, WipeClip] | None = None
        if delivery.review:
            clip = self._clip_format()
            self._clips = (
                stack.enter_context(ReviewClip(folder / "review.mp4", clip, slate=slate_of(shot))),
                stack.enter_context(WipeClip(folder / "wipe.mp4", clip)),
            )

    def _open_master(self, folder: Path, attributes: Mapping[str, str]) -> FrameWriter:
        info, master = self._shot.info, self._shot.manifest.delivery.master
        space = self._shot.frame_set.colourspace if self._is_own_space else "srgb"
        if master != "exr":
            extension = SEQUENCES.get(master)
            path = folder / ("master.mov" if extension is None else f"master/m.%04d.{extension}")
            return open_writer(
                path,
                format=master,
                width=info.shown.width,
                height=info.shown.height,
                colourspace=space,
                audio_from=info if info.has_audio else None,
                pixel_aspect=info.pixel_aspect,
                frame_rate=info.frame_rate,
                timecode=self._timecode,
            )
        return ExrWriter(
            folder / "master" / "m.%04d.exr",
            width=info.width,
            height=info.height,
            colourspace=space,
            pixel_aspect=info.pixel_aspect,
            is_half=info.bit_depth <= MOST_BITS_OF_A_HALF,
            source=info,
            attributes={**attributes, "reage:colourspace": in_words(space)},
            frame_rate=info.frame_rate,
            timecode=self._timecode,
        )

    def _open_matte(self, folder: Path) -> FrameWriter:
        info = self._shot.info
        opened = partial(
            open_writer,
            width=info.shown.width,
            height=info.shown.height,
            frame_rate=info.frame_rate,
            timecode=self._timecode,
            pixel_aspect=info.pixel_aspect,
        )
        if self._shot.manifest.delivery.master in SEQUENCES:
            return opened(folder / "matte" / "matte.%04d.png", format="png16")
        return opened(folder / "matte.mov", format="prores4444")

    def _clip_format(self) -> ClipFormat:
        info, window = self._shot.info, self._shot.seen_window
        return ClipFormat(
            width=window.width,
            height=window.height,
            frame_rate=info.frame_rate,
            frames=self._shot.manifest.frames,
            timecode=self._timecode,
            audio_from=info if info.has_audio else None,
        )

    @property
    def _timecode(self) -> str | None:
        return self._shot.info.timecode_at(self._shot.manifest.frames.first)

    def write(self, frame: ShotFrame, before: Codes, after: Codes) -> None:
        """Adds one frame everywhere.

        Args:
            frame: Plate, result and matte.
            before: The plate as a screen shows it, of the display window at square pixels.
            after: The result likewise.
        """
        shown = self._shot.info.shown.slices
        if isinstance(self._master, ExrWriter):
            self._master.write_change(
                frame.number, frame.result, plate=frame.plate, matte=frame.matte
            )
        else:
            result = frame.result.with_pixels(frame.result.pixels[shown])
            own = result if self._is_own_space else Image(to_display(result), "srgb", 16)
            self._master.write(frame.number, own)
        grey = np.ascontiguousarray(np.repeat(frame.matte[shown][..., None], 3, axis=2))
        self._matte.write(frame.number, Image(grey, "rec709", 16))
        if self._clips is not None:
            review, wipe = self._clips
            ages = self._shot.ages_at(frame.number)
            review.add(frame.number, after, target_ages=age_caption(ages))
            targets = ", ".join(f"{told.target:.0f}" for told in ages)
            wipe.add(frame.number, before, after, label=f"re-aged {targets}")


def write_shot_timeline(shot: ShotWork, marks: Sequence[tuple[int, str]], path: Path) -> None:
    """Writes the timeline of plate and version, the version's files named as delivered."""
    manifest, info, frames = shot.manifest, shot.info, shot.manifest.frames
    extension = SEQUENCES.get(manifest.delivery.master)
    naming = partial(delivered_name, "master", manifest.shot_id, shot.job.version)
    if extension is None:
        master = naming("mov")
    else:
        number = f"{frames.first:04d}.{extension}"
        master = naming(extension, frame=frames.first).removesuffix(number) + f"%04d.{extension}"
    plate = manifest.resolve(manifest.plate.uri)
    write_timeline(
        path,
        name=f"{manifest.shot_id.code} {shot.job.version}",
        frames=frames,
        frame_rate=info.frame_rate,
        plate=Medium(
            name=f"{manifest.shot_id.code} plate",
            place=plate if "://" in plate else _as_uri(Path(plate)),
            frames=info.frames,
            timecode=info.timecode,
        ),
        version=Medium(
            name=f"{manifest.shot_id.code} {shot.job.version}",
            place=master,
            frames=frames,
            timecode=info.timecode_at(frames.first),
        ),
        marks=marks,
    )


def _as_uri(plate: Path) -> str:
    """Returns a plate's URI, the pattern in its file name left as it is."""
    return f"{plate.parent.as_uri()}/{plate.name}"


def slate_of(shot: ShotWork) -> Slate:
    """Returns what the slate of a shot says, of all its actors."""
    manifest, actors = shot.manifest, [entry for entry, _, _ in shot.actors]
    documents = [manifest.consent_document(entry.actor) for entry in actors]
    return Slate(
        show=manifest.show,
        shot_code=manifest.shot_id.code,
        version=shot.job.version,
        frames=manifest.frames,
        frame_rate=shot.info.frame_rate,
        date=shot.job.date,
        prior=shot.prior.name,
        target_ages=spans_caption(
            {a.actor: [a.target_age_at(frame) for frame in manifest.frames] for a in actors}
        ),
        consent_document=", ".join(dict.fromkeys(documents)),
        actor=", ".join(entry.actor for entry in actors),
        colourspace=in_words(shot.frame_set.colourspace),
    )
