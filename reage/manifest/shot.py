"""The shot manifest: which plate, which actors at which age, and where the result goes."""

from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PrivateAttr, model_validator

from reage.framerange import FrameRange
from reage.manifest.age import AgeCurve, SourceAge, TargetAge
from reage.manifest.consent import ConsentReference
from reage.manifest.delivery import Delivery
from reage.manifest.fields import (
    NO_ADAPTER,
    Adapter,
    FrameNumber,
    ManifestModel,
    Name,
    PlatePlace,
    SchemaVersion,
    Share,
)
from reage.manifest.location import digest_of, resolve_place
from reage.manifest.plate import Plate
from reage.manifest.problems import Finding, KeyPath, refuse_all
from reage.manifest.qc import QCLimits
from reage.manifest.strength import AdapterStrength, StrengthCurve
from reage.naming import ShotId

TrackId = Annotated[int, Field(ge=0)]


class Region(ManifestModel):
    """The matte within which the face may change."""

    feather: float = Field(
        default=0.25, ge=0, le=1, description="Softness of the edge, as a part of the face's size."
    )
    expand: float = Field(
        default=0.0,
        ge=-0.5,
        le=0.5,
        description="Grows (or, below 0, shrinks) the matte, as a part of the face's size.",
    )


class Regions(ManifestModel):
    """How far each part of the face changes, 0 to 1."""

    eyes: Share = Field(default=1.0, description="Eyes and lids.")
    brows: Share = Field(default=1.0, description="Brows.")
    lips: Share = Field(default=1.0, description="Lips.")
    forehead: Share = Field(default=1.0, description="From the brows up to the hair line.")
    cheeks: Share = Field(default=1.0, description="From under the eyes to beside the mouth.")
    neck: Share = Field(default=1.0, description="What shows of the neck beneath the jaw.")
    hair_line: Share = Field(default=1.0, description="The edge of the hair, and the hair above.")


class Temporal(ManifestModel):
    """How the change holds from frame to frame."""

    mode: Literal["frame", "keyframe", "surface"] = Field(
        default="surface",
        description="`frame`: each frame's own change, from steadied latents; `keyframe`: one "
        "frame's change, carried through the shot on the face's surface; `surface`: what all "
        "frames agree on, carried so, and of each frame what follows the expression. Both are "
        "steadied along the plate's own motion.",
    )
    key_frame: FrameNumber | None = Field(
        default=None,
        description="Frame whose change is carried, in mode `keyframe`; left out, the one that "
        "shows the face best.",
    )

    @model_validator(mode="after")
    def _key_frame_is_used(self) -> "Temporal":
        if self.key_frame is not None and self.mode != "keyframe":
            expected = "none, as only mode keyframe carries one frame's change"
            raise refuse_all([Finding(("key_frame",), str(self.key_frame), expected)])
        return self


class ActorInShot(ManifestModel):
    """One actor of the shot and the age to show."""

    actor: Name = Field(description="The actor: `actors/<actor>.yaml` in a folder above.")
    source_age: SourceAge = Field(
        default="auto", description="The actor's age in the plate, in years, or `auto`."
    )
    target_age: TargetAge = Field(
        description="The age to show, in years (18 to 100): a number, or keyframes over the shot."
    )
    strength: float = Field(
        default=1.0, ge=0, le=1, description="How much of the change is applied."
    )
    detail: float = Field(
        default=1.0,
        ge=0,
        le=1,
        description="How far the finest features of the change, as folds, are raised to the "
        "contrast that pictures have at their size; 0 leaves them as the network drew them.",
    )
    temporal: Temporal = Field(
        default=Temporal(), description="How the change holds from frame to frame."
    )
    track: TrackId | None = Field(
        default=None,
        description="The face's track id, when the choice by identity is not right; in the plate's "
        "other takes the actor is who looks like that face.",
    )
    tracks: Annotated[tuple[TrackId, ...], Field(strict=False, min_length=1)] | None = Field(
        default=None,
        description="All track ids of the actor in a plate with cuts, one a take at most, in place "
        "of `track` and identity; takes without one stay as they are.",
    )
    region: Region = Field(default=Region(), description="Where the face may change.")
    regions: Regions = Field(
        default=Regions(), description="How far each part of the face changes."
    )
    matte: PlatePlace | None = Field(
        default=None,
        description="A matte of your own that limits the change: an image sequence with the "
        "shot's frame numbers, or a movie that begins with the plate.",
    )
    occlusion: Literal["auto", "none"] = Field(
        default="auto",
        description="`auto` keeps what passes before the face, as hands and microphones, in front "
        "of the change; `none` looks for nothing.",
    )
    occlusion_matte: PlatePlace | None = Field(
        default=None,
        description="A matte of your own, white where something is in front of the face, used in "
        "place of what `occlusion` finds; frames and size as of `matte`.",
    )
    adapter: Adapter = Field(
        default=NO_ADAPTER,
        description="The actor's personal adapter, trained or imported, for the shot's prior: "
        "`none`, `latest`, or a version as `v003`.",
    )
    adapter_strength: AdapterStrength = Field(
        default=1.0,
        description="How far the adapter is followed, evenly to the eye: from 0, the prior alone, "
        "to 1, the adapter; a number, or keyframes over the shot. Needs an `adapter` of your own "
        "training; keyframes of this and of `target_age` together need `temporal: {mode: frame}`.",
    )
    consent: ConsentReference | None = Field(
        default=None, description="The actor's own document, when it is not the shot's."
    )

    @model_validator(mode="after")
    def _strength_has_an_adapter(self) -> "ActorInShot":
        if self.adapter == NO_ADAPTER and self.adapter_strength != 1.0:
            got = "keyframes" if self.strength_curve else f"{self.adapter_strength}"
            expected = "no strength where there is no adapter"
            cure = "name the adapter, as adapter: latest"
            raise refuse_all([Finding(("adapter_strength",), got, expected, cure)])
        both = self.strength_curve and isinstance(self.target_age, AgeCurve)
        if both and self.temporal.mode == "surface":
            expected = "a number where target_age has keyframes, too"
            cure = "the skin follows one of both: set temporal to {mode: frame} to keyframe both"
            raise refuse_all([Finding(("adapter_strength",), "keyframes", expected, cure)])
        return self

    @model_validator(mode="after")
    def _tracks_are_named_once(self) -> "ActorInShot":
        if self.tracks is not None and self.track is not None:
            expected = "none beside tracks, which lists the actor's tracks in all takes"
            raise refuse_all([Finding(("track",), str(self.track), expected)])
        return self

    @property
    def named_tracks(self) -> tuple[int, ...]:
        """The tracks that are the actor by the manifest's word."""
        return self.tracks or (() if self.track is None else (self.track,))

    @property
    def strength_curve(self) -> StrengthCurve | None:
        """The adapter's strength where it is keyframed."""
        return self.adapter_strength if isinstance(self.adapter_strength, StrengthCurve) else None

    def target_age_at(self, frame: int) -> float:
        """Returns the target age at a frame number, in years."""
        return (
            self.target_age.at(frame) if isinstance(self.target_age, AgeCurve) else self.target_age
        )

    def adapter_strength_at(self, frame: int) -> float:
        """Returns how far the adapter is followed at a frame number, 0-1."""
        asked = self.adapter_strength
        return asked.at(frame) if isinstance(asked, StrengthCurve) else asked


class ShotManifest(ManifestModel):
    """One shot: `manifests/shots/<show>/<sequence>/<shot>.yaml`."""

    schema_version: SchemaVersion = Field(
        default=1, description="Version of this form of manifest."
    )
    show: Name = Field(description="The show, the same as its folder.")
    sequence: Name = Field(description="The sequence, the same as its folder.")
    shot: Name = Field(description="The shot, the same as the file's name.")
    plate: Plate = Field(description="The photographed image that the shot is built on.")
    actors: Annotated[tuple[ActorInShot, ...], Field(strict=False, min_length=1)] = Field(
        description="The actors to re-age, at least one."
    )
    prior: Name = Field(default="compact", description="The ageing prior: what ageing looks like.")
    delivery: Delivery = Field(description="What is sent, where to, and in which form.")
    qc: QCLimits = Field(
        default=QCLimits(), description="Limits of quality control, beyond which a person looks."
    )
    consent: ConsentReference = Field(description="The consent document that the shot relies on.")

    _path: Path | None = PrivateAttr(default=None)
    _text: str | None = PrivateAttr(default=None)

    @model_validator(mode="after")
    def _actors_differ(self) -> "ShotManifest":
        found = [
            *self._repeated(),
            *self._curves_elsewhere(),
            *self._key_frames_elsewhere(),
        ]
        if found:
            raise refuse_all(found)
        return self

    def _repeated(self) -> list[Finding]:
        """Actors that are named twice, and faces that are."""
        seen: dict[tuple[str, object], int] = {}
        found = []
        for index, entry in enumerate(self.actors):
            key = "track" if entry.tracks is None else "tracks"
            for name, value in (("actor", entry.actor), *((key, t) for t in entry.named_tracks)):
                what = name.removesuffix("s")
                if (what, value) in seen:
                    expected = f"another {what} than that of actors[{seen[what, value]}]"
                    found.append(Finding(("actors", index, name), str(value), expected))
                seen.setdefault((what, value), index)
        return found

    def _curves_elsewhere(self) -> list[Finding]:
        return [
            finding
            for index, entry in enumerate(self.actors)
            for key in ("target_age", "adapter_strength")
            if isinstance(curve := getattr(entry, key), AgeCurve | StrengthCurve)
            if (finding := self._elsewhere(("actors", index, key, "keyframes"), curve))
        ]

    def _elsewhere(self, key: KeyPath, curve: AgeCurve | StrengthCurve) -> Finding | None:
        """What is wrong with a curve none of whose keyframes is near the shot's frames."""
        first, *_ = keyed = list(curve.keyframes)
        if keyed[-1] >= self.frames.first and first <= self.frames.last:
            return None
        return Finding(
            key,
            f"frames {first}-{keyed[-1]}",
            f"keyframes that meet the shot's frames ({self.frames})",
            "keyframes are at frame numbers, not positions from 0",
        )

    def _key_frames_elsewhere(self) -> list[Finding]:
        return [
            Finding(
                ("actors", index, "temporal", "key_frame"),
                str(entry.temporal.key_frame),
                f"one of the shot's frames ({self.frames})",
            )
            for index, entry in enumerate(self.actors)
            if entry.temporal.key_frame not in (None, *self.frames)
        ]

    @property
    def shot_id(self) -> ShotId:
        """Show, sequence and shot, from which every name is built."""
        return ShotId(self.show, self.sequence, self.shot)

    @property
    def cut(self) -> FrameRange:
        """The frames of the cut."""
        return FrameRange(self.plate.cut_in, self.plate.cut_out)

    @property
    def frames(self) -> FrameRange:
        """The frames to make: the cut and its handles."""
        return self.cut.with_handles(self.plate.handles)

    @property
    def path(self) -> Path | None:
        """The file that this manifest was read from, None when it was not."""
        return self._path

    @property
    def text(self) -> str | None:
        """What that file said when it was read, whatever it says since."""
        return self._text

    @property
    def digest(self) -> str:
        """SHA-256 (hex) of what the manifest says, whatever its layout and comments."""
        return digest_of(self)

    def resolve(self, place: str) -> str:
        """Returns a URI or path of this manifest, a relative one against the manifest's folder."""
        return resolve_place(place, self._path)

    @property
    def ocio(self) -> str | None:
        """Place of the plate's OpenColorIO configuration: a path, `ocio://` and a name, or None."""
        stated = self.plate.ocio
        if stated is None or stated.startswith("ocio://"):
            return stated
        return self.resolve(stated)

    def consent_document(self, actor: str) -> str:
        """Returns the id of the document that covers `actor`: the entry's own, else the shot's.

        Raises:
            KeyError: `actor` is not in this shot.
        """
        for entry in self.actors:
            if entry.actor == actor:
                return (entry.consent or self.consent).document_id
        raise KeyError(f"{self.shot_id}: actor: got {actor!r}, expected one of the shot's actors")
