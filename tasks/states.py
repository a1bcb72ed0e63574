"""Pointers to trained adapters as states, and to what lies between them; see landscape.py."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from models.ageing.adapter import AdapterConfig
from models.ageing.adapter_recipe import AdapterRecipe
from reage.errors import RegistryError
from reage.registry.adapters import AdapterRecord, TrainedFacts
from reage.storage import file_digest
from tasks.refs import AdapterRef, CollectionRef, TrainedRef


@dataclass(frozen=True, kw_only=True)
class StateRef:
    """A trained adapter as one state among those it could have, registered or not.

    Attributes:
        actor: Whose.
        version: As `v003`; of what is not registered, what it is to become.
        weights: Its safetensors file.
        digest: SHA-256 (hex) of that.
        network: Its sizes.
        recipe: How it was trained; with the sizes it says what it was before.
        collection: Digest of the photographs that it was trained on.
        strength_course: As in AdapterRef.
        departure, plain_departure: What of its strength was measured with it.
    """

    actor: str
    version: str
    weights: str
    digest: str
    network: AdapterConfig
    recipe: AdapterRecipe
    collection: str
    strength_course: tuple[float, ...] = ()
    departure: float | None = None
    plain_departure: float | None = None

    @classmethod
    def of(cls, record: AdapterRecord) -> "StateRef":
        """Points to a registered version.

        Raises:
            RegistryError: It was not trained here, or its description is not of this code.
        """
        if not isinstance(record.facts, TrainedFacts):
            raise RegistryError(
                f"adapter {record.name}: got a {record.facts.origin} checkpoint, expected a "
                "version that was trained here: how a published one began is not known"
            )
        ref = AdapterRef.of(record)
        if not ref.moves_latents:
            raise RegistryError(
                f"adapter {record.name}: learner: got {ref.learner}, expected adapter: between "
                "decoders no landscape is drawn"
            )
        return cls._described(
            record.actor, record.version, record.weights, record.digest, asdict(record.facts)
        )

    @classmethod
    def of_training(
        cls, actor: str, version: str, trained: TrainedRef, collection: CollectionRef
    ) -> "StateRef":
        """Points to what a training made, before it is registered as a version."""
        folder = Path(trained.folder)
        described = json.loads((folder / "adapter.json").read_text(encoding="utf-8"))
        weights = folder / "weights.safetensors"
        facts = {**described, "collection_digest": collection.digest}
        return cls._described(actor, version, weights, file_digest(weights), facts)

    @classmethod
    def _described(
        cls, actor: str, version: str, weights: Path, digest: str, facts: Mapping[str, Any]
    ) -> "StateRef":
        try:
            network = AdapterConfig(**facts["network"])
            recipe = AdapterRecipe.recalled(facts["recipe"])
        except (TypeError, ValueError) as error:
            raise RegistryError(
                f"adapter {actor} {version}: {error}; train it again to have it diagnosed"
            ) from error
        metrics = facts["metrics"]
        return cls(
            actor=actor,
            version=version,
            weights=str(weights),
            digest=digest,
            network=network,
            recipe=recipe,
            collection=facts["collection_digest"],
            strength_course=tuple(facts["strength_course"]),
            departure=metrics.get("strength_departure"),
            plain_departure=metrics.get("strength_departure_plain"),
        )


@dataclass(frozen=True, kw_only=True)
class LandscapeRef:
    """The landscape of one version: `landscape.json` and `landscape.html` in `folder`.

    Attributes:
        is_sound: Whether nothing was found against it.
        headline: The verdict in words.
        findings: What it rests on, a sentence each.
        barrier: On the straight way from the version before, how far the loss rises above the worse
            of both, in parts of it; None where there is no version before.
    """

    folder: str
    digest: str
    is_sound: bool
    headline: str
    findings: tuple[str, ...]
    barrier: float | None

    @property
    def page(self) -> Path:
        """The page for people."""
        return Path(self.folder) / "landscape.html"
