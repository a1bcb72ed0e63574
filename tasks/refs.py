"""Pointers that travel between tasks: small, frozen, hashable; never pixels, never networks.

A ref says where bytes lie and what their content key is. Paths are local to the work folder that
all workers of a shot share; `digest` is the content key under which the ledger knows the work.
"""

from dataclasses import dataclass, replace
from fractions import Fraction
from pathlib import Path

from reage.collection.report import CollectionReport
from reage.colour_config import own_name
from reage.framerange import FrameRange
from reage.learners import LearnerKind
from reage.manifest.shot import ActorInShot
from reage.registry.adapter_facts import PublishedFacts, TrainedFacts, UpdatedFacts
from reage.registry.adapters import AdapterRecord
from reage.registry.priors import PriorRecord
from reage.takes import LEADING, ActorTake, parts


@dataclass(frozen=True, kw_only=True)
class FrameSetRef:
    """The plate's frames that a shot uses.

    Attributes:
        path: Local movie, or image-sequence pattern.
        digest: SHA-256 of the plate's bytes.
        first_frame: Studio number of the plate's first frame.
        frames: Frames to work on, handles included.
        colourspace: As images carry it.
        frame_rate: Frames per second, when an image sequence needs telling.
        colour_digest: SHA-256 of the OpenColorIO configuration and LUTs behind the colourspace;
            None for one of Reage's own.
        exposure: Stops by which the plate is brightened where it is looked at.
        pixel_aspect: Width of a pixel over its height, when the plate's own word is not taken.
    """

    path: str
    digest: str
    first_frame: int
    frames: FrameRange
    colourspace: str
    frame_rate: Fraction | None
    colour_digest: str | None = None
    exposure: float = 0.0
    pixel_aspect: Fraction | None = None

    @property
    def content(self) -> tuple[object, ...]:
        """What results depend on: everything but where plate and colour configuration lie."""
        colour = (own_name(self.colourspace), self.colour_digest, self.exposure)
        numbers = (self.first_frame, self.frames, self.frame_rate, self.pixel_aspect)
        return (self.digest, *numbers, *colour)


@dataclass(frozen=True, kw_only=True)
class JudgeRef:
    """A network that tells age or likeness for a prior that has none of its own.

    Attributes:
        role: `age` or `likeness`.
        kind: `dex`, `irse50` or, standing in, `compact`.
        folder: Where its files lie.
        digest: SHA-256 of its weights.
    """

    role: str
    kind: str
    folder: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class AdapterRef:
    """A version of an actor's personal adapter in the registry.

    Attributes:
        actor: Whose.
        version: As `v003`.
        digest: SHA-256 of its weights.
        is_published: Whether it is a published checkpoint, which has the person's encoder, decoder
            and mean latent beside the adapter network.
        strength_course: Where evenly spaced strengths lie between prior and adapter, as measured
            when it was trained; empty where that was not.
        learner: What of the person's model was learnt.
    """

    actor: str
    version: str
    digest: str
    is_published: bool = False
    strength_course: tuple[float, ...] = ()
    learner: LearnerKind = "adapter"

    @property
    def moves_latents(self) -> bool:
        """Whether it has an adapter network, which takes the prior's latents to the person's."""
        return self.learner == "adapter"

    @property
    def has_own_prior(self) -> bool:
        """Whether it has networks that take the place of the prior's own."""
        return self.is_published or not self.moves_latents

    @classmethod
    def of(cls, record: AdapterRecord) -> "AdapterRef":
        """Points to an adapter that was found in the registry."""
        facts = record.facts
        return cls(
            actor=record.actor,
            version=record.version,
            digest=record.digest,
            is_published=isinstance(facts, PublishedFacts),
            strength_course=tuple(facts.strength_course) if isinstance(facts, TrainedFacts) else (),
            learner=facts.learner if isinstance(facts, UpdatedFacts) else "adapter",
        )


@dataclass(frozen=True, kw_only=True)
class PriorRef:
    """A prior in the registry.

    Attributes:
        name: As manifests name it.
        folder: Where its files lie.
        digest: SHA-256 of its weights: what adapters are made for.
        judges: The networks that tell age and likeness for it, where they are not its own.
        person: A version whose networks take the place of the prior's own: a published adapter's
            encoder, decoder and mean latent, or the decoder that a night learnt; None for the
            general prior.
    """

    name: str
    folder: str
    digest: str
    judges: tuple[JudgeRef, ...] = ()
    person: AdapterRef | None = None

    @classmethod
    def of(cls, record: PriorRecord) -> "PriorRef":
        """Points to a prior that was found in the registry, and to those who judge for it."""
        judges = tuple(
            JudgeRef(role=j.role, kind=j.kind, folder=str(j.folder), digest=j.digest)
            for j in record.judges
        )
        return cls(name=record.name, folder=str(record.folder), digest=record.digest, judges=judges)

    def personal(self, adapter: AdapterRef | None) -> "PriorRef":
        """Returns what encodes and decodes the person of an adapter: the general prior, or theirs.

        Alignment, sizes and judges are the same.
        """
        return replace(self, person=adapter) if adapter and adapter.has_own_prior else self

    @property
    def content(self) -> object:
        """What results depend on: the weights, and those of judges and person beside it."""
        others = [(judge.role, judge.digest) for judge in self.judges]
        if self.person is not None:
            others.append(("person", self.person.digest))
        return (self.digest, *others) if others else self.digest


@dataclass(frozen=True, kw_only=True)
class TracksRef:
    """All faces followed through a frame set: an .npz file per track in `folder`.

    Attributes:
        takes: The frame set's frames between cuts, in order.
    """

    folder: str
    digest: str
    track_ids: tuple[int, ...]
    takes: tuple[FrameRange, ...]


@dataclass(frozen=True, kw_only=True)
class CastRef:
    """Which tracks are the actor, take by take, and how that was decided.

    Attributes:
        actor: Name of the actor's manifest.
        track_path: The .npz file of the track that they were joined to, over the whole shot.
        digest: Content key of the choice.
        takes: All takes of the shot, in order.
    """

    actor: str
    track_path: str
    digest: str
    takes: tuple[ActorTake, ...]

    @property
    def lead(self) -> ActorTake:
        """The take in which the actor was found first, and by which in the others."""
        return next(take for take in self.takes if take.decided_by in LEADING)

    def parts(self, frames: FrameRange) -> list[FrameRange]:
        """Returns which of `frames` show the actor's takes, one range for each take."""
        return parts(self.takes, frames)


@dataclass(frozen=True, kw_only=True)
class CollectionRef:
    """An actor's photographs as aligned, age-labelled crops, in one .npz file.

    Its arrays, in order of age: `crops` uint8 (N, R, R, 3), sRGB; `ages` float32 (N,), years;
    `age_sources` (N,), `csv`, `name`, `exif` or `estimated`; `names` (N,); `embeddings` float32
    (N, E), unit; `sharpness` float32 (N,); `hashes` bool (N, 16, 16); `photographs` (N,), SHA-256
    (hex) of the files.

    Attributes:
        path: Of the .npz file.
        digest: Content key of the photographs accepted, their labels and the alignment.
        num_photos: N.
        min_age: Age in the youngest photograph, years; 0 where there is none.
        max_age: Age in the oldest one, years.
        num_refused: Files of the collection that were not accepted.
        report: Folder of `sheet.png`, `report.html` and `report.json`: what people look at; and of
            `refused.npz`, thumbnails of the refused by their place in the report.
    """

    path: str
    digest: str
    num_photos: int
    min_age: float
    max_age: float
    num_refused: int
    report: str

    @classmethod
    def of(
        cls, crops: Path, digest: str, summary: CollectionReport, report: Path
    ) -> "CollectionRef":
        """Points to what was gathered."""
        ages = [photo.age for photo in summary.accepted]
        return cls(
            path=str(crops),
            digest=digest,
            num_photos=len(ages),
            min_age=min(ages, default=0.0),
            max_age=max(ages, default=0.0),
            num_refused=len(summary.refused),
            report=str(report),
        )


@dataclass(frozen=True, kw_only=True)
class LatentsRef:
    """Encoder outputs of a chunk: `w_plus` (T, L, D), `apparent_age` (T,), in one .npz file."""

    path: str
    digest: str
    frames: FrameRange


@dataclass(frozen=True, kw_only=True)
class TrainedRef:
    """A trained adapter that is not registered yet.

    In `folder` lie `weights.safetensors`, `adapter.json` (sizes and metrics) and `preview.png`.
    """

    folder: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class OcclusionRef:
    """What is in front of a cast actor's face, in every frame: a folder.

    Attributes:
        own: Place of the artist's matte that it was taken from; None where it was found.
    """

    folder: str
    digest: str
    own: str | None = None


@dataclass(frozen=True, kw_only=True)
class PlanRef:
    """How one actor ages through the shot: steadied latents and the shot's ageing direction.

    Attributes:
        occlusion: What is in front of the face; None where nothing was looked for.
        adapter: The person's, None where the general prior alone says what ageing looks like.
        key_frame: The one whose change the whole shot has; None where each frame has its own.
        latents: What it was planned from, chunk by chunk.
    """

    path: str
    digest: str
    source_age: float
    latents: tuple[LatentsRef, ...] = ()
    adapter: AdapterRef | None = None
    occlusion: OcclusionRef | None = None
    key_frame: int | None = None


@dataclass(frozen=True, kw_only=True)
class ChangesRef:
    """The network's change of a chunk as synthesised, (T, S, S, 3) display units, one .npy file."""

    path: str
    digest: str
    frames: FrameRange


@dataclass(frozen=True, kw_only=True)
class SkinRef:
    """What of a shot's change stays on the skin, and how its frames lie on it: a folder."""

    folder: str
    digest: str


@dataclass(frozen=True, kw_only=True)
class GrainRef:
    """The grain of each take of a plate: `grain_<first frame>.npz` in `folder`."""

    folder: str
    digest: str
    takes: tuple[FrameRange, ...]

    def path_at(self, frame: int) -> Path:
        """Returns the file of the take that a frame is in."""
        [take] = [take for take in self.takes if frame in take]
        return Path(self.folder) / f"grain_{take.first}.npz"


@dataclass(frozen=True, kw_only=True)
class ActorLayerRef:
    """One actor's part of a chunk: what the manifest asks, which track, which change.

    Attributes:
        matte: Path of the artist's own matte, or None.
    """

    actor: ActorInShot
    cast: CastRef
    plan: PlanRef
    change: ChangesRef
    matte: str | None


@dataclass(frozen=True, kw_only=True)
class ChunkRef:
    """Composited frames of a chunk: a folder of exact patches (`reage/patches.py`)."""

    folder: str
    digest: str
    frames: FrameRange


@dataclass(frozen=True, kw_only=True)
class MeasuresRef:
    """Per-frame figures of a chunk (apparent age, identity similarity) as JSON."""

    path: str
    digest: str
    frames: FrameRange
