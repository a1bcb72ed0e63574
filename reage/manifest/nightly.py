"""How an actor's adapter is kept up to date at night: when, from how much memory, how strictly."""

from typing import Literal

from pydantic import Field, model_validator

from reage.learners import LearnerKind
from reage.manifest.fields import ManifestModel, Name, Place
from reage.manifest.problems import refuse

Strategy = Literal["hull", "random", "kmeans"]


class BufferBudget(ManifestModel):
    """What is kept of earlier photographs, to rehearse and to examine."""

    strategy: Strategy = Field(
        default="hull",
        description="How photographs to rehearse are chosen: `hull` (their convex hull in latent "
        "space lies nearest to all), `random` (balanced between increments) or `kmeans`.",
    )
    images: int = Field(default=10, ge=1, le=1000, description="Photographs that are rehearsed.")
    held_out: int = Field(
        default=2,
        ge=1,
        le=20,
        description="Photographs of an increment, at most a third of it, that are never learnt "
        "from: every later adapter is examined on them.",
    )
    megabytes: int = Field(
        default=32,
        ge=1,
        le=4096,
        description="Size of a version's buffer, held-out photographs included; these give way.",
    )
    versions: int = Field(
        default=7,
        ge=1,
        le=365,
        description="Newest versions whose buffers are kept; adapters are kept for good.",
    )


class Tolerance(ManifestModel):
    """By how much an update may do worse on any earlier increment than the best version did.

    And how high a barrier may lie between it and the version before. The defaults are about twice
    and more of what good nights forget at worst: docs/continual.md, "What the gate tolerates".
    """

    distance: float = Field(
        default=0.02,
        ge=0.0,
        le=1.0,
        description="Of the perceptual distance between a held-out photograph and what the adapter "
        "makes of it at its own age.",
    )
    identity: float = Field(
        default=0.02,
        ge=0.0,
        le=2.0,
        description="Of the likeness (a cosine) between these two.",
    )
    likeness: float = Field(
        default=0.03,
        ge=0.0,
        le=2.0,
        description="Of the likeness between a held-out photograph and another one shown at its "
        "age.",
    )
    barrier: float | None = Field(
        default=None,
        ge=0.0,
        le=10.0,
        description="Of the loss between the version before and the update: how far it may rise "
        "above the worse of both, in parts of it. Not asked for when left out.",
    )


class NightlyUpdates(ManifestModel):
    """Nightly updates of the actor's adapter; without this section there are none."""

    prior: Name = Field(default="compact", description="Prior that the adapter personalises.")
    learner: LearnerKind | None = Field(
        default=None,
        description="What of the person's model is learnt: `adapter` (MyTimeMachine's network, "
        "which ages as the person does), `generator` (all weights of the prior's decoder, which "
        "shows the person as photographed; ageing stays the prior's) or `low_rank` (the same with "
        "few weights). When left out, what the latest version has; `adapter` for a first one.",
    )
    photographs: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="New photographs that an update waits for.",
    )
    steps: int = Field(default=200, ge=1, le=100_000, description="Optimiser steps of an update.")
    publish: Place | None = Field(
        default=None,
        description="Folder or `s3://` prefix that versions and their replay buffers are copied to "
        "once published; nothing when left out. Whoever reads it sees the actor's face.",
    )
    buffer: BufferBudget = Field(
        default=BufferBudget(), description="What is kept of earlier photographs."
    )
    tolerance: Tolerance = Field(
        default=Tolerance(), description="How much may be forgotten before one is refused."
    )

    @model_validator(mode="after")
    def _barrier_is_of_adapters(self) -> "NightlyUpdates":
        if self.tolerance.barrier is not None and self.learner not in (None, "adapter"):
            raise refuse(
                f"none with learner {self.learner}",
                got=self.tolerance.barrier,
                key=("tolerance", "barrier"),
                cure="barriers are measured between adapters alone; leave it out",
            )
        return self
