"""Making what people look at: master, clips, matte, contact sheet and the QC page, in one pass."""

import json
import shutil
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version as installed_version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from prefect import task

from reage.burnin import Slate, age_caption, span_caption
from reage.colour import luma, to_display
from reage.contact_sheet import SheetRow, compose_contact_sheet
from reage.flicker import FlickerMeter, FrameFlicker
from reage.framerange import FrameRange
from reage.geometry import Roi
from reage.image import DISPLAY_REFERRED, Image, quantise
from reage.manifest.shot import ActorInShot, ShotManifest
from reage.provenance import sidecar
from reage.qc import ActorQC, FaceFrame, FrameIntegrity, PriorCard, QCReport, check_frame
from reage.qc_page import Thumbnail, write_qc
from reage.qc_verdict import judge_report, worst_frames
from reage.review import ClipFormat, ReviewClip, WipeClip, review_picture
from reage.tracks import Track, load_track
from reage.video import PlateInfo, open_writer
from reage.workspace import Workspace
from tasks.crops import chunk_frames, plate_info
from tasks.gpu import loaded_prior
from tasks.refs import (
    CastRef,
    ChunkRef,
    FrameSetRef,
    JobRef,
    MeasuresRef,
    PackageRef,
    PlanRef,
    PriorRef,
)

SHEET_ROWS = 5
SEQUENCES = {"png16": "png", "tiff16": "tiff", "exr": "exr"}

ActorWork = tuple[ActorInShot, CastRef, PlanRef]


@dataclass(frozen=True, eq=False)
class _Shot:
    """What one pass over the shot needs at hand."""

    manifest: ShotManifest
    job: JobRef
    frame_set: FrameSetRef
    info: PlateInfo
    chunks: Sequence[ChunkRef]
    actors: Sequence[ActorWork]
    tracks: Sequence[Track]
    prior: PriorRef


@dataclass(frozen=True, eq=False)
class _Pass:
    """What one pass over the shot found."""

    integrity: tuple[FrameIntegrity, ...]
    flicker: tuple[tuple[FrameFlicker, ...], ...]
    rows: tuple[SheetRow, ...]


@task(name="package shot")
def package_shot(
    manifest: ShotManifest,
    job: JobRef,
    frame_set: FrameSetRef,
    actors: Sequence[ActorWork],
    chunks: Sequence[ChunkRef],
    measures: Sequence[MeasuresRef],
    prior: PriorRef,
    *,
    workspace: Workspace,
) -> PackageRef:
    """Makes every file of a delivery from the plate and the composited chunks."""

    def produce(folder: Path) -> dict[str, Any]:
        tracks = [load_track(Path(cast.track_path)) for _, cast, _ in actors]
        info = plate_info(frame_set)
        shot = _Shot(manifest, job, frame_set, info, chunks, actors, tracks, prior)
        found = _write_pictures(shot, folder)
        report = _report(shot, found, measures)
        _write_pages(shot, report, found.rows, folder)
        files = {path.stem.split(".")[0]: path.name for path in folder.iterdir()}
        return {"files": sorted(files.items()), "verdict": judge_report(report).status}

    step = workspace.step(
        "package",
        produce,
        job=job,
        frames=[chunk.digest for chunk in chunks],
        measures=[measure.digest for measure in measures],
        plans=[plan.digest for _, _, plan in actors],
    )
    return PackageRef(
        folder=str(step.folder),
        digest=step.digest,
        files=tuple((role, name) for role, name in step.facts["files"]),
        manifest_digest=manifest.digest,
        job=job,
        verdict=step.facts["verdict"],
    )


def _write_pictures(shot: _Shot, folder: Path) -> _Pass:
    """Streams plate and result once, into master, matte and clips, measuring as it goes."""
    frames = shot.manifest.frames
    chosen = {frames.first + i for i in np.linspace(0, len(frames) - 1, SHEET_ROWS).astype(int)}
    windows = [_window(track, shot.info) for track in shot.tracks]
    meters = [FlickerMeter() for _ in shot.tracks]
    integrity: list[FrameIntegrity] = []
    flicker: list[list[FrameFlicker]] = [[] for _ in shot.tracks]
    rows: list[SheetRow] = []
    with ExitStack() as stack:
        outputs = _Outputs(shot, folder, stack)
        for frame, plate, result, matte in chain.from_iterable(
            chunk_frames(shot.frame_set, chunk) for chunk in shot.chunks
        ):
            integrity.append(check_frame(frame, plate, result, matte))
            views = to_display(plate), to_display(result)
            before, after = (quantise(view, 255).astype(np.uint8) for view in views)
            outputs.write(frame, result, matte, before, after)
            for meter, window, figures in zip(meters, windows, flicker, strict=True):
                seen, made = (luma(view[window.slices]) for view in views)
                figures.append(meter.push(frame, seen, made, matte[window.slices]))
            if frame in chosen:
                caption = age_caption(*_ages(shot, frame))
                rows.append(
                    SheetRow(
                        frame_number=frame,
                        caption=caption,
                        plate=before,
                        result=after,
                        matte=matte,
                    )
                )
    return _Pass(tuple(integrity), tuple(map(tuple, flicker)), tuple(rows))


class _Outputs:
    """The movies and sequences that grow frame by frame."""

    def __init__(self, shot: _Shot, folder: Path, stack: ExitStack) -> None:
        self._shot = shot
        info, delivery = shot.info, shot.manifest.delivery
        timecode = info.timecode_at(shot.manifest.frames.first)
        space = shot.frame_set.colourspace
        extension = SEQUENCES.get(delivery.master)
        opened = partial(
            open_writer, width=info.width, height=info.height, frame_rate=info.frame_rate
        )
        # A movie is display-referred, an EXR sequence keeps the plate's own numbers.
        self._is_own_space = extension == "exr" or space in DISPLAY_REFERRED
        kept = space if self._is_own_space else "srgb"
        if extension is None:
            sound = info if info.has_audio else None
            master = opened(
                folder / "master.mov",
                format=delivery.master,
                colourspace=kept,
                timecode=timecode,
                audio_from=sound,
            )
            matte = opened(folder / "matte.mov", format="prores4444", timecode=timecode)
        else:
            for role in ("master", "matte"):
                (folder / role).mkdir()
            path = folder / "master" / f"master.%04d.{extension}"
            master = opened(path, format=delivery.master, colourspace=kept)
            matte = opened(folder / "matte" / "matte.%04d.png", format="png16")
        stack.enter_context(master)
        stack.enter_context(matte)
        self._master, self._matte = master, matte
        self._clips: tuple[ReviewClip, WipeClip] | None = None
        if delivery.review:
            clip = ClipFormat(
                width=info.width,
                height=info.height,
                frame_rate=info.frame_rate,
                frames=shot.manifest.frames,
                timecode=timecode,
                audio_from=info if info.has_audio else None,
            )
            self._clips = (
                stack.enter_context(ReviewClip(folder / "review.mp4", clip, slate=_slate(shot))),
                stack.enter_context(WipeClip(folder / "wipe.mp4", clip)),
            )

    def write(
        self,
        frame: int,
        result: Image,
        matte: NDArray[np.float32],
        before: NDArray[np.uint8],
        after: NDArray[np.uint8],
    ) -> None:
        """Adds one frame everywhere."""
        shown = result if self._is_own_space else Image(to_display(result), "srgb", 16)
        self._master.write(frame, shown)
        grey = np.ascontiguousarray(np.repeat(matte[..., None], 3, axis=2))
        self._matte.write(frame, Image(grey, "rec709", 16))
        if self._clips is not None:
            review, wipe = self._clips
            source_age, target_age = _ages(self._shot, frame)
            review.add(frame, after, target_ages=age_caption(source_age, target_age))
            wipe.add(frame, before, after, label=f"re-aged {target_age:.0f}")


def _window(track: Track, info: PlateInfo) -> Roi:
    """The part of the frame in which the face is at any time, with a margin."""
    points = track.landmarks.reshape(-1, 2)
    margin = 0.25 * max(track.mean_size)
    return Roi.around(points, (info.width, info.height), margin=margin)


def _ages(shot: _Shot, frame: int) -> tuple[float, float]:
    """Source and target age of the first actor, years."""
    actor, _, plan = shot.actors[0]
    return plan.source_age, actor.target_age_at(frame)


def _slate(shot: _Shot) -> Slate:
    actor = shot.actors[0][0]
    return Slate(
        show=shot.manifest.show,
        shot_code=shot.manifest.shot_id.code,
        version=shot.job.version,
        frames=shot.manifest.frames,
        frame_rate=shot.info.frame_rate,
        date=shot.job.date,
        prior=shot.prior.name,
        target_ages=span_caption([actor.target_age_at(f) for f in shot.manifest.frames]),
        consent_document=shot.manifest.consent_document(actor.actor),
        actor=", ".join(entry.actor for entry, _, _ in shot.actors),
        colourspace=shot.frame_set.colourspace,
    )


def _report(shot: _Shot, found: _Pass, measures: Sequence[MeasuresRef]) -> QCReport:
    prior = loaded_prior(shot.prior)
    config = prior.config
    figures = [json.loads(Path(ref.path).read_text()) for ref in measures]
    actors = [
        _actor_report(shot, index, found.flicker[index], figures)
        for index in range(len(shot.actors))
    ]
    return QCReport(
        show=shot.manifest.show,
        shot_code=shot.manifest.shot_id.code,
        version=shot.job.version,
        created=shot.job.date.isoformat(),
        frames=shot.manifest.frames,
        frame_rate=shot.info.frame_rate,
        integrity=found.integrity,
        actors=tuple(actors),
        prior=PriorCard(
            name=shot.prior.name,
            digest=shot.prior.digest,
            licence=config.licence,
            min_age=config.min_age,
            max_age=config.max_age,
            summary=prior.judged_by,
        ),
        versions={name: installed_version(name) for name in ("reage", "torch", "av", "prefect")},
        digests={
            "plate": shot.frame_set.digest,
            "manifest": shot.manifest.digest,
            "prior": shot.prior.digest,
        },
    )


def _actor_report(
    shot: _Shot,
    index: int,
    flicker: Sequence[FrameFlicker],
    figures: Sequence[dict[str, Any]],
) -> ActorQC:
    actor, cast, plan = shot.actors[index]
    track = shot.tracks[index]
    ages = [age for chunk in figures for age in chunk[actor.actor]["result_age"]]
    likeness = [value for chunk in figures for value in chunk[actor.actor]["similarity"]]
    frames = []
    for i, frame in enumerate(shot.manifest.frames):
        at = track.frames.index_of(frame)
        asked = actor.target_age_at(frame)
        frames.append(
            FaceFrame(
                frame_number=frame,
                source_age=plan.source_age,
                target_age=plan.source_age + actor.strength * (asked - plan.source_age),
                measured_age=ages[i],
                identity=likeness[i],
                presence=float(track.presence[at]),
                fade=float(track.fade[at]),
                is_bridged=bool(track.bridged[at]),
                flicker=flicker[i],
            )
        )
    return ActorQC(
        actor=actor.actor,
        consent_document=shot.manifest.consent_document(actor.actor),
        frames=tuple(frames),
        adapter="none" if plan.adapter is None else plan.adapter.version,
        track=f"track {track.track_id}, chosen by {cast.decided_by}",
    )


def _write_pages(shot: _Shot, report: QCReport, rows: Sequence[SheetRow], folder: Path) -> None:
    licence = report.prior.licence
    sheet = compose_contact_sheet(
        rows,
        title=f"{report.shot_code}  {report.version}",
        subtitle=f"prior {report.prior.name}, {report.created}",
    )
    PillowImage.fromarray(sheet).save(folder / "contact_sheet.png")
    thumbnails = [_thumbnail(shot, frame, why) for frame, why in worst_frames(report)]
    write_qc(
        report,
        json_path=folder / "qc.json",
        html_path=folder / "qc_page.html",
        thumbnails=thumbnails,
        contact_sheet=sheet,
    )
    provenance = sidecar(
        shot.manifest,
        version=report.version,
        plate_digest=shot.frame_set.digest,
        prior_digest=shot.prior.digest,
        adapters={
            actor.actor: (plan.adapter.version, plan.adapter.digest)
            for actor, _, plan in shot.actors
            if plan.adapter is not None
        },
        source_ages={actor.actor: plan.source_age for actor, _, plan in shot.actors},
    )
    terms = {"prior_licence": licence, "judged_by": report.prior.summary}
    document = json.dumps({**provenance, **terms}, indent=1, sort_keys=True)
    (folder / "provenance.json").write_text(document + "\n")
    if shot.manifest.path is not None:
        shutil.copyfile(shot.manifest.path, folder / "manifest.yaml")


def _thumbnail(shot: _Shot, frame: int, why: str) -> Thumbnail:
    [chunk] = [c for c in shot.chunks if frame in c.frames]
    [(_, plate, result, _)] = chunk_frames(shot.frame_set, chunk, FrameRange(frame, frame))
    return Thumbnail(
        frame_number=frame,
        reason=why,
        plate=review_picture(plate),
        output=review_picture(result),
    )
