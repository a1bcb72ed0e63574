"""A person's 3D face as it is rendered: which looks, at which age, with whose weights injected.

Holds no task. N anchors, L style layers, D latent size, S shares of the way.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from models.eg3d.generator import TriPlaneGenerator
from models.face3d.looks import look_path
from models.lora.checkpoint import AdapterFileError, load_adapter, read_beside
from models.lora.inject import inject
from reage.errors import RegistryError
from reage.looks import Looks, photo_number
from reage.provenance import installed_version
from reage.registry.adapter_facts import Face3DFacts
from reage.registry.adapters import AdapterRecord
from tasks.face3d_refs import Face3DPriorRef, loaded_face3d_prior
from tasks.gpu import device

Latents = Callable[[Tensor], Tensor]  # shares of the way (S,) to w+ (S, L, D)


@dataclass(frozen=True, eq=False)
class ShownLooks:
    """The way from look to look.

    Attributes:
        at: Its latents, at the age asked for.
        facts: In JSON values: whose looks, and how far each edit went.
    """

    at: Latents
    facts: Mapping[str, Any]


def shown_looks(
    face: AdapterRecord, prior: Face3DPriorRef, looks: Looks, target_age: float | None
) -> ShownLooks:
    """Returns the looks of a version of a 3D face, at an age.

    Raises:
        RegistryError: The version has no such photograph, the prior no such direction, or an age
            is asked of a prior without ageing.
    """
    loaded, beside = loaded_face3d_prior(prior), read_beside(face.weights)
    anchors, ages = beside["anchors"].to(device()), beside["ages"]
    strange = sorted(set(looks.edits) - set(loaded.directions))
    if strange:
        known = ", ".join(loaded.directions) or "none"
        raise RegistryError(
            f"3D prior {prior.name}: edit: got {strange[0]}, expected one of its directions: "
            f"{known}; put others into directions.safetensors beside its weights"
        )
    chosen = [_number(face, asked, len(anchors)) for asked in (looks.first, looks.last)]
    directions = {name: loaded.directions[name].to(anchors) for name in looks.edits}
    path = look_path(
        anchors, first=chosen[0], last=chosen[1], edits=looks.edits, directions=directions
    )
    facts = {
        "first": _called(face, chosen[0]) or f"middle of {len(anchors)} photographs",
        "last": _called(face, chosen[1]),
        "edits": {
            name: {"asked": amount, "reached": round(path.reached[name], 4)}
            for name, amount in looks.edits.items()
        },
    }
    if target_age is None:
        return ShownLooks(path.at, facts)
    aged = loaded.aged
    if aged is None:
        raise RegistryError(
            f"3D prior {prior.name}: age: got {target_age:g} years, expected none of a prior that "
            "has no age direction; leave --age out, or put directions.safetensors with `age` "
            "beside its weights"
        )
    first = float(ages.mean() if chosen[0] is None else ages[chosen[0]])
    last = first if chosen[1] is None else float(ages[chosen[1]])

    def at(shares: Tensor) -> Tensor:
        latents = path.at(shares).split(1)
        years = (first + (last - first) * shares).tolist()
        return torch.cat([aged(w, y, target_age) for w, y in zip(latents, years, strict=True)])

    return ShownLooks(at, facts)


@contextmanager
def persons_generator(face: AdapterRecord, prior: Face3DPriorRef) -> Iterator[TriPlaneGenerator]:
    """Yields the prior's generator as the person's, until the context is left.

    Raises:
        RegistryError: The version is of another prior, or its file is damaged.
    """
    generator = loaded_face3d_prior(prior).generator
    try:
        adapter = load_adapter(face.weights, generator, base_digest=prior.digest)
    except AdapterFileError as error:
        raise RegistryError(f"3D face {face.name}: {error}") from error
    with inject(generator, adapter) as injection:
        injection.merge()
        yield generator


def render_facts(face: AdapterRecord, prior: Face3DPriorRef) -> dict[str, Any]:
    """Returns what every rendering of a 3D face rests on, in JSON values."""
    return {
        "actor": face.actor,
        "consent_document_id": face.facts.consent_document,
        "face3d": {"version": face.version, "sha256": face.digest},
        "prior": {
            "name": prior.name,
            "sha256": prior.digest,
            "directions_sha256": prior.directions_digest or None,
        },
        "software": {"name": "reage", "version": installed_version()},
    }


def _number(face: AdapterRecord, asked: str | None, count: int) -> int | None:
    if asked is None:
        return None
    try:
        return photo_number(asked, _photographs(face), count=count)
    except ValueError as error:
        raise RegistryError(f"3D face {face.name}: {error}") from error


def _called(face: AdapterRecord, number: int | None) -> str | None:
    if number is None:
        return None
    names = _photographs(face)
    return names[number] if names else f"photograph {number + 1}"


def _photographs(face: AdapterRecord) -> tuple[str, ...]:
    assert isinstance(face.facts, Face3DFacts)
    return tuple(face.facts.photographs)
