"""Re-ages the actors of one shot: plate in, delivered version out.

    reage submit manifests/shots/demo/sq010/sh0010.yaml --local

Knows the order of steps and nothing of pixels. Every step is in the ledger of the shot's work
folder, so a run that was killed picks up where it stopped and ends with the same bytes.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger
from prefect.artifacts import create_markdown_artifact

from flows.consent import require_consent, require_consent_still
from flows.progress import ShotProgress, shot_progress
from reage.casting import refuse_shared_faces
from reage.delivery import DeliveryRef
from reage.errors import RegistryError, VersionExistsError
from reage.framerange import FrameRange
from reage.manifest import (
    ActorInShot,
    ActorManifest,
    ShotManifest,
    find_actor,
    load_actor,
    load_shot,
)
from reage.manifest.fields import NO_ADAPTER
from reage.provenance import AuditLog
from reage.registry.adapters import find_adapter
from reage.registry.priors import find_prior
from reage.versions import NEXT
from reage.workspace import Workspace
from tasks.ageing import age_chunk, encode_chunk, plan_ageing
from tasks.casting import cast_actor
from tasks.compositing import composite_chunk
from tasks.delivery import deliver_package, reserve
from tasks.faces import track_shot
from tasks.grain import measure_grain
from tasks.measuring import measure_chunk
from tasks.occlusion import find_occlusion
from tasks.package_refs import JobRef, PackageRef
from tasks.plates import locate_plate
from tasks.refs import (
    ActorLayerRef,
    AdapterRef,
    CastRef,
    ChangesRef,
    ChunkRef,
    FrameSetRef,
    GrainRef,
    MeasuresRef,
    OcclusionRef,
    PlanRef,
    PriorRef,
    TracksRef,
)
from tasks.review import package_shot
from tasks.studio_files import studio_files
from tasks.surface import carry_chunk, find_skin, steady_chunk

DEFAULT_CHUNK = 24


@flow(name="reage-shot", flow_run_name="reage {manifest}", validate_parameters=False)
def reage_shot(manifest: str, work: str = "work", chunk: int = DEFAULT_CHUNK) -> DeliveryRef:
    """Re-ages one shot and delivers it.

    Args:
        manifest: Path of the shot manifest.
        work: Root of the work folders.
        chunk: Frames a task handles at once, 16-64.

    Returns:
        Where the delivered version lies.

    Raises:
        ReageError: The manifest, plate, faces, consent or destination are not as they must be.
    """
    shot = load_shot(Path(manifest))
    actors = [load_actor(find_actor(Path(manifest), a.actor)) for a in shot.actors]
    require_consent(shot, actors)
    workspace = Workspace(work, shot.shot_id)
    prior = PriorRef.of(find_prior(shot.prior))
    adapters = [find_adapter_for(actor, prior) for actor in shot.actors]
    frame_set = locate(shot, workspace)
    photographs = {m.actor: references(m) for m in actors}
    own = studio_files(shot, photographs, frame_set, workspace=workspace)
    holder = workspace.key(
        "job",
        plate=frame_set.content,
        prior=prior.content,
        manifest=shot.digest,
        actors=[actor.digest for actor in actors],
        adapters=[None if adapter is None else adapter.digest for adapter in adapters],
        files=own,
    )

    def render(job: JobRef) -> PackageRef:
        return render_shot(shot, actors, frame_set, prior, adapters, job, workspace, chunk)

    weights = {
        "prior": prior.digest,
        "adapters": {found.actor: found.digest for found in adapters if found is not None},
    }
    audit = AuditLog(Path(work) / "audit.jsonl")
    return _delivered(shot, holder, render, weights, audit, workspace)


def _delivered(
    shot: ShotManifest,
    holder: str,
    render: Callable[[JobRef], PackageRef],
    weights: Mapping[str, Any],
    audit: AuditLog,
    workspace: Workspace,
) -> DeliveryRef:
    """Renders and delivers a shot, unless this very work is delivered already.

    A version that an attempt which was killed left with other bytes is passed over, where the
    manifest leaves the version open.
    """
    consents = {entry.actor: shot.consent_document(entry.actor) for entry in shot.actors}
    passed: set[str] = set()
    while True:
        version, delivered = reserve(shot, holder, passed=passed)
        if delivered is not None:
            return delivered
        facts = {"shot": shot.shot_id.prefix, "version": version, "manifest": shot.digest}
        audit.append({"event": "render", "consent": consents, **weights, **facts})
        package = render(JobRef(holder=holder, version=version, date=workspace.begun(holder)))
        require_consent_still(shot)
        try:
            delivery = deliver_package(shot, package, workspace=workspace)
        except VersionExistsError as error:
            if shot.delivery.version != NEXT:
                raise
            get_run_logger().warning("%s; the next version is filled instead", error)
            passed.add(version)
            continue
        sent = {"uri": delivery.uri, "index": delivery.index_sha256}
        audit.append({"event": "deliver", **sent, **facts})
        _tell(shot, package, delivery, workspace)
        return delivery


def _tell(
    shot: ShotManifest, package: PackageRef, delivery: DeliveryRef, workspace: Workspace
) -> None:
    """Keeps the timings, and shows on the server what was delivered and where."""
    workspace.remember("timings", workspace.seconds)
    for reason in package.reasons:
        get_run_logger().warning("%s %s: %s", shot.shot_id.code, package.verdict, reason)
    reasons = "".join(f"- {reason}\n" for reason in package.reasons)
    create_markdown_artifact(
        key=f"delivery-{shot.shot_id.code.replace('_', '-')}",
        markdown=f"**{shot.shot_id.code}** {package.verdict}\n\n{reasons}\n`{delivery.uri}`",
        description="what was delivered, and where",
    )


def locate(shot: ShotManifest, workspace: Workspace) -> FrameSetRef:
    """Returns the frames that the manifest names."""
    return locate_plate(
        shot.resolve(shot.plate.uri),
        frames=shot.frames,
        first_frame=shot.plate.first_frame,
        colourspace=shot.plate.colourspace,
        frame_rate=shot.plate.frame_rate,
        ocio=shot.ocio,
        exposure=shot.plate.exposure,
        pixel_aspect=shot.plate.pixel_aspect,
        workspace=workspace,
    )


def find_adapter_for(actor: ActorInShot, prior: PriorRef) -> AdapterRef | None:
    """Returns the adapter that the manifest asks for; None where it asks for none.

    Raises:
        RegistryError: There is no such version, or it was made for another prior; or a strength
            is asked of a version that has networks of its own.
    """
    if actor.adapter == NO_ADAPTER:
        return None
    record = find_adapter(actor.actor, actor.adapter)
    record.check_prior(prior.name, prior.digest)
    ref = AdapterRef.of(record)
    if ref.has_own_prior and actor.adapter_strength != 1.0:
        asked = "keyframes" if actor.strength_curve else f"{actor.adapter_strength:g}"
        why = (
            "a published checkpoint has an encoder of its own and what lies between its "
            "normalisation and the prior's was never measured"
            if ref.is_published
            else f"a version of learner {ref.learner} has a decoder of its own and what lies "
            "between it and the prior's was never measured"
        )
        raise RegistryError(
            f"adapter {record.name}: adapter_strength: got {asked}, expected 1, as {why}; leave "
            "adapter_strength out"
        )
    return ref


def render_shot(
    shot: ShotManifest,
    actors: list[ActorManifest],
    frame_set: FrameSetRef,
    prior: PriorRef,
    adapters: list[AdapterRef | None],
    job: JobRef,
    workspace: Workspace,
    chunk: int,
) -> PackageRef:
    """Runs every step from tracking to package; returns the files that a delivery sends."""
    total = len(shot.frames) * (2 + 5 * len(shot.actors))
    with shot_progress(shot.shot_id.code, total) as progress:
        tracks = track_shot(frame_set, workspace=workspace)
        progress.advance("faces tracked", len(shot.frames))
        grain = measure_grain(frame_set, tracks.takes, workspace=workspace)
        casts = [
            cast_actor(frame_set, tracks, prior, a, references(m), workspace=workspace)
            for a, m in zip(shot.actors, actors, strict=True)
        ]
        refuse_shared_faces({cast.actor: cast.takes for cast in casts})
        fronts = [
            _occlusion(shot, frame_set, tracks, a, c, workspace, progress)
            for a, c in zip(shot.actors, casts, strict=True)
        ]
        chunks = shot.frames.chunks(chunk)
        plans = [
            _plan(frame_set, c, prior, a, adapter, front, chunks, workspace, progress)
            for a, c, adapter, front in zip(shot.actors, casts, adapters, fronts, strict=True)
        ]
        layers = list(zip(shot.actors, casts, plans, strict=True))
        changes = [_age(*layer, prior, chunks, workspace, progress) for layer in layers]
        rendered = [
            _render(shot, frame_set, layers, list(of_chunk), prior, grain, workspace, progress)
            for of_chunk in zip(*changes, strict=True)
        ]
        package = package_shot(
            shot,
            job,
            frame_set,
            layers,
            [frames for frames, _ in rendered],
            [measures for _, measures in rendered],
            prior,
            workspace=workspace,
            consents={actor.actor: actor.consent for actor in actors},
        )
        progress.advance("packaged", len(shot.frames))
    workspace.remember("package", package.document())
    return package


def references(actor: ActorManifest) -> list[str]:
    """Returns the places of the actor's reference photographs."""
    return [actor.resolve(place) for place in actor.references]


def _occlusion(
    shot: ShotManifest,
    frame_set: FrameSetRef,
    tracks: TracksRef,
    actor: ActorInShot,
    cast: CastRef,
    workspace: Workspace,
    progress: ShotProgress,
) -> OcclusionRef | None:
    """Finds what is in front of an actor's face, or takes the artist's word for it."""
    own = None if actor.occlusion_matte is None else shot.resolve(actor.occlusion_matte)
    found = None
    if own is not None or actor.occlusion == "auto":
        found = find_occlusion(frame_set, cast, tracks.takes, own=own, workspace=workspace)
    progress.advance(f"{actor.actor} uncovered", len(shot.frames))
    return found


def _plan(
    frame_set: FrameSetRef,
    cast: CastRef,
    prior: PriorRef,
    actor: ActorInShot,
    adapter: AdapterRef | None,
    front: OcclusionRef | None,
    chunks: list[FrameRange],
    workspace: Workspace,
    progress: ShotProgress,
) -> PlanRef:
    latents, personal = [], prior.personal(adapter)
    for frames in chunks:
        latents.append(encode_chunk(frame_set, cast, personal, frames, workspace=workspace))
        progress.advance(f"{actor.actor} encoded", len(frames))
    return plan_ageing(
        latents, cast, personal, actor, adapter, occlusion=front, workspace=workspace
    )


def _age(
    actor: ActorInShot,
    cast: CastRef,
    plan: PlanRef,
    prior: PriorRef,
    chunks: list[FrameRange],
    workspace: Workspace,
    progress: ShotProgress,
) -> list[ChangesRef]:
    """Decodes the actor's change of all chunks and has it hold from frame to frame."""
    decoded = []
    for frames in chunks:
        decoded.append(age_chunk(plan, prior.personal(plan.adapter), frames, workspace=workspace))
        progress.advance(f"{actor.actor} aged", len(frames))
    if actor.temporal.mode == "frame":
        progress.advance(f"{actor.actor} held", sum(len(frames) for frames in chunks))
        return decoded
    skin = find_skin(decoded, plan, cast, prior, workspace=workspace)
    carried = [
        carry_chunk(skin, decoded, plan, cast, prior, frames, workspace=workspace)
        for frames in chunks
    ]
    held = []
    for frames in chunks:
        held.append(steady_chunk(carried, plan, cast, prior, frames, workspace=workspace))
        progress.advance(f"{actor.actor} held", len(frames))
    return held


def _render(
    shot: ShotManifest,
    frame_set: FrameSetRef,
    layers: list[tuple[ActorInShot, CastRef, PlanRef]],
    changes: list[ChangesRef],
    prior: PriorRef,
    grain: GrainRef,
    workspace: Workspace,
    progress: ShotProgress,
) -> tuple[ChunkRef, MeasuresRef]:
    frames, refs = changes[0].frames, []
    for (actor, cast, plan), change in zip(layers, changes, strict=True):
        matte = None if actor.matte is None else shot.resolve(actor.matte)
        refs.append(ActorLayerRef(actor=actor, cast=cast, plan=plan, change=change, matte=matte))
    composited = composite_chunk(
        frame_set,
        refs,
        prior,
        frames,
        shutter_angle=shot.plate.shutter_angle,
        defocus=shot.plate.defocus,
        grain=grain,
        regrain=shot.plate.regrain,
        workspace=workspace,
    )
    measures = measure_chunk(frame_set, composited, refs, prior, workspace=workspace)
    progress.advance("composited", len(frames) * len(layers))
    return composited, measures
