"""Making what people look at: master, clips, matte, contact sheet and the QC page, in one pass."""

import json
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from hashlib import sha256
from importlib.metadata import version as installed_version
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image as PillowImage
from prefect import task

from reage.burnin import age_caption
from reage.colour import to_display
from reage.colour_config import in_words
from reage.contact_sheet import SheetRow, compose_contact_sheet
from reage.face_flicker import FaceFlicker
from reage.flicker import FrameFlicker
from reage.framerange import FrameRange
from reage.image import quantise
from reage.manifest.consent import ConsentRecord
from reage.manifest.fields import NO_ADAPTER
from reage.manifest.shot import ActorInShot, ShotManifest
from reage.provenance import provenance_attributes, sidecar
from reage.qc import (
    ActorQC,
    FaceFrame,
    FrameIntegrity,
    PriorCard,
    QCReport,
    QCThresholds,
    check_frame,
)
from reage.qc_page import Thumbnail, write_qc
from reage.qc_verdict import judge_report, worst_frames
from reage.review import review_picture
from reage.storage import file_digest
from reage.takes import takes_in_words
from reage.tracks import load_track
from reage.workspace import Workspace
from tasks.crops import chunk_frames, plate_info, shot_frames
from tasks.gpu import loaded_prior
from tasks.outputs import ActorWork, Outputs, ShotWork, write_shot_timeline
from tasks.package_refs import JobRef, PackageRef
from tasks.refs import ChunkRef, FrameSetRef, MeasuresRef, PlanRef, PriorRef

SHEET_ROWS = 5
_PACKAGES = ("reage", "torch", "av", "opencolorio", "openexr", "prefect")


@dataclass(frozen=True, eq=False)
class _Pass:
    """What one pass over the shot found."""

    integrity: tuple[FrameIntegrity, ...]
    flicker: tuple[tuple[FrameFlicker | None, ...], ...]
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
    consents: Mapping[str, ConsentRecord] | None = None,
) -> PackageRef:
    """Makes every file of a delivery from the plate and the composited chunks.

    `consents` are the actors' records by name, for the QC page.
    """

    def produce(folder: Path) -> dict[str, Any]:
        tracks = [load_track(Path(cast.track_path)) for _, cast, _ in actors]
        info = plate_info(frame_set)
        shot = ShotWork(manifest, job, frame_set, info, chunks, actors, tracks, prior)
        described = _sidecar(shot)
        found = _write_pictures(shot, folder, provenance_attributes(described))
        report = _report(shot, found, measures, consents or {})
        _write_documents(shot, report, described, folder)
        _write_pages(shot, replace(report, outputs=_digests(folder)), found.rows, folder)
        files = {path.stem.split(".")[0]: path.name for path in folder.iterdir()}
        verdict = judge_report(report)
        facts = {"verdict": verdict.status, "reasons": list(verdict.reasons)}
        return {"files": sorted(files.items()), **facts}

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
        reasons=tuple(step.facts["reasons"]),
    )


def _write_pictures(shot: ShotWork, folder: Path, attributes: Mapping[str, str]) -> _Pass:
    """Streams plate and result once, into master, matte and clips, measuring as it goes."""
    frames = shot.manifest.frames
    chosen = {frames.first + i for i in np.linspace(0, len(frames) - 1, SHEET_ROWS).astype(int)}
    meters = [
        FaceFlicker(track, cast.takes, shot.seen_size)
        for track, (_, cast, _) in zip(shot.tracks, shot.actors, strict=True)
    ]
    integrity: list[FrameIntegrity] = []
    flicker: list[list[FrameFlicker | None]] = [[] for _ in shot.tracks]
    rows: list[SheetRow] = []
    shown = shot.seen_window.slices
    with ExitStack() as stack:
        outputs = Outputs(shot, folder, stack, attributes)
        for frame in chain.from_iterable(shot_frames(shot.frame_set, c) for c in shot.chunks):
            integrity.append(check_frame(frame.number, frame.plate, frame.result, frame.matte))
            views = to_display(frame.seen_plate), to_display(frame.seen_result)
            before, after = (quantise(view[shown], 255).astype(np.uint8) for view in views)
            outputs.write(frame, before, after)
            for meter, figures in zip(meters, flicker, strict=True):
                figures.append(meter.push(frame.number, *views, frame.seen_matte))
            if frame.number in chosen:
                caption = age_caption(shot.ages_at(frame.number))
                matte = frame.seen_matte[shown]
                rows.append(
                    SheetRow(
                        frame_number=frame.number,
                        caption=caption,
                        plate=before,
                        result=after,
                        matte=matte,
                    )
                )
    return _Pass(tuple(integrity), tuple(map(tuple, flicker)), tuple(rows))


def _report(
    shot: ShotWork,
    found: _Pass,
    measures: Sequence[MeasuresRef],
    consents: Mapping[str, ConsentRecord],
) -> QCReport:
    prior = loaded_prior(shot.prior)
    config = prior.config
    figures = [json.loads(Path(ref.path).read_text()) for ref in measures]
    actors = [
        _actor_report(shot, index, found.flicker[index], figures, consents)
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
        versions={name: installed_version(name) for name in _PACKAGES},
        digests=_inputs(shot),
        colour=_colour(shot.frame_set),
        thresholds=QCThresholds(**shot.manifest.qc.model_dump()),
    )


def _inputs(shot: ShotWork) -> dict[str, str]:
    """Returns the SHA-256 of everything that went in."""
    plate, prior = shot.frame_set, shot.prior
    digests = {"plate": plate.digest, "manifest": shot.manifest.digest, "prior": prior.digest}
    if plate.colour_digest is not None:
        digests["OpenColorIO configuration"] = plate.colour_digest
    for actor, _, plan in shot.actors:
        if plan.adapter is not None:
            digests[f"adapter of {actor.actor}"] = plan.adapter.digest
    return digests


def _colour(frame_set: FrameSetRef) -> str:
    seen = f", seen at {frame_set.exposure:+g} stops" if frame_set.exposure else ""
    return in_words(frame_set.colourspace) + seen


def _digests(folder: Path) -> dict[str, str]:
    """Returns the SHA-256 of what was made; of a sequence, over its frames' in order."""
    digests = {}
    for path in sorted(folder.iterdir()):
        if path.is_file():
            digests[path.stem] = file_digest(path)
        else:
            frames = sorted(path.iterdir())
            each = "".join(file_digest(frame) for frame in frames)
            digests[f"{path.name}, {len(frames)} frames"] = sha256(each.encode()).hexdigest()
    return digests


def _actor_report(
    shot: ShotWork,
    index: int,
    flicker: Sequence[FrameFlicker | None],
    figures: Sequence[dict[str, Any]],
    consents: Mapping[str, ConsentRecord],
) -> ActorQC:
    actor, cast, plan = shot.actors[index]
    track = shot.tracks[index]
    ages = [age for chunk in figures for age in chunk[actor.actor]["result_age"]]
    likeness = [value for chunk in figures for value in chunk[actor.actor]["similarity"]]
    parts = cast.parts(shot.manifest.frames)
    held_back = [share for chunk in figures for share in chunk[actor.actor]["held_back"]]
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
                is_cast=any(frame in part for part in parts),
                flicker=flicker[i],
                held_back=held_back[i],
            )
        )
    return ActorQC(
        actor=actor.actor,
        consent_document=shot.manifest.consent_document(actor.actor),
        frames=tuple(frames),
        adapter=_adapter_caption(shot, actor, plan),
        track=takes_in_words(cast.takes),
        takes=cast.takes,
        consent_terms=_terms_of(consents.get(actor.actor)),
    )


def _adapter_caption(shot: ShotWork, actor: ActorInShot, plan: PlanRef) -> str:
    """Which adapter was used and how far, as `v003` or `v003 at strength 0.2 to 1`."""
    if plan.adapter is None:
        return NO_ADAPTER
    followed = [actor.adapter_strength_at(frame) for frame in shot.manifest.frames]
    low, high = f"{min(followed):.2g}", f"{max(followed):.2g}"
    if low == high == "1":
        return plan.adapter.version
    return f"{plan.adapter.version} at strength {low if low == high else f'{low} to {high}'}"


def _terms_of(record: ConsentRecord | None) -> str:
    if record is None:
        return ""
    shows = "any show" if record.shows == "any" else f"shows {', '.join(record.shows)}"
    return f"to {' and '.join(record.scope)}, {shows}, {record.granted} to {record.expires}"


def _sidecar(shot: ShotWork) -> dict[str, Any]:
    return sidecar(
        shot.manifest,
        version=shot.job.version,
        plate_digest=shot.frame_set.digest,
        prior_digest=shot.prior.digest,
        adapters={
            actor.actor: (plan.adapter.version, plan.adapter.digest)
            for actor, _, plan in shot.actors
            if plan.adapter is not None
        },
        source_ages={actor.actor: plan.source_age for actor, _, plan in shot.actors},
    )


def _write_documents(
    shot: ShotWork, report: QCReport, described: Mapping[str, Any], folder: Path
) -> None:
    """Writes what other programs read: provenance, manifest and timeline."""
    terms = {"prior_licence": report.prior.licence, "judged_by": report.prior.summary}
    document = json.dumps({**described, **terms}, indent=1, sort_keys=True)
    (folder / "provenance.json").write_text(document + "\n")
    if shot.manifest.text is not None:
        (folder / "manifest.yaml").write_text(shot.manifest.text, encoding="utf-8")
    write_shot_timeline(shot, worst_frames(report), folder / "timeline.otio")


def _write_pages(shot: ShotWork, report: QCReport, rows: Sequence[SheetRow], folder: Path) -> None:
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


def _thumbnail(shot: ShotWork, frame: int, why: str) -> Thumbnail:
    [chunk] = [c for c in shot.chunks if frame in c.frames]
    [(_, plate, result, _)] = chunk_frames(shot.frame_set, chunk, FrameRange(frame, frame))
    shown = shot.seen_window.slices
    return Thumbnail(
        frame_number=frame,
        reason=why,
        plate=review_picture(plate)[shown],
        output=review_picture(result)[shown],
    )
