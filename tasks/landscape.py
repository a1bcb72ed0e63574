"""The landscape of a trained adapter: what lies between its start, the version before and itself.

Every state on the way is judged on the same photographs at the same target ages, by the losses of
the training's own recipe (without its cycle pass) and by likeness and apparent age.

Shapes: P strengths, B samples, L style layers, D latent size, R crop size.
"""

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from prefect import task
from torch import Tensor

from models.ageing.adapter import Adapter
from models.ageing.adapter_files import AdapterFileError, load_adapter
from models.ageing.adapter_recipe import AdapterRecipe
from models.ageing.objectives import Critics
from models.ageing.personal_pass import ageing_pass
from models.ageing.prior import Prior
from models.ageing.targets import AgeMode
from models.landscape.curve import barrier, plateau, still_falling, wavering
from models.landscape.even import place_at
from models.landscape.interpolation import Line
from models.landscape.schedule import weights_only
from models.training import pictures
from reage.age_strip import StripRow, compose_strip
from reage.errors import RegistryError
from reage.landscape_page import write_landscape
from reage.landscape_report import TOTAL, LandscapeReport, Slider, Stand, Way
from reage.landscape_verdict import judge_landscape
from reage.workspace import Workspace
from tasks.adapter_training import School, untrained_adapter
from tasks.critics import loaded_critics, perceptual_metric
from tasks.gpu import device, loaded_prior
from tasks.photo_set import PhotoSet
from tasks.refs import CollectionRef, PriorRef
from tasks.states import LandscapeRef, StateRef
from tasks.strength import far_age, seen_along

NUM_STRENGTHS = 11
_SAMPLES = 12
_MODES = (
    AgeMode.INTERPOLATION, AgeMode.NO_AGEING, AgeMode.INTERPOLATION, AgeMode.EXTRAPOLATION,
)  # fmt: skip
_WINDOW_YEARS = 3.0
_BEYOND = 1.05  # of the way

_SHOWN_STRENGTHS = (0.0, 0.25, 0.5, 0.75, 1.0)
_SHOWN_FACES = 2  # the youngest and the oldest photograph

State = Mapping[str, Tensor]


@task(name="landscape of an adapter")
def draw_landscape(
    subject: StateRef,
    previous: StateRef | None,
    collection: CollectionRef,
    prior: PriorRef,
    *,
    workspace: Workspace,
) -> LandscapeRef:
    """Measures what lies between a version's start, the version before and itself; draws the page.

    Args:
        subject: The version, registered or not: a nightly update asks before it registers.
        previous: The version before, None where there is none. Judged by the subject's recipe.
        collection: The actor's photographs; not always those that the version was trained on.
        prior: What both personalise.
        workspace: The actor's.

    Returns:
        Verdict and barrier beside the place of the files.

    Raises:
        RegistryError: Weights are not as described, or both have other sizes; or the prior needs
            LPIPS, and it is not registered.
    """
    metric = perceptual_metric(prior)
    inputs: dict[str, Any] = {
        "subject": (subject.digest, subject.version, subject.recipe.plain()),
        "previous": None if previous is None else (previous.digest, previous.version),
        "collection": collection.digest,
        "prior": prior.content,
        "lpips": None if metric is None else metric.digest,
    }

    def produce(folder: Path) -> dict[str, Any]:
        critics = loaded_critics(prior, metric)
        report = _report(subject, previous, collection, prior, critics)
        write_landscape(
            report, json_path=folder / "landscape.json", html_path=folder / "landscape.html"
        )
        verdict, update = judge_landscape(report), report.from_previous
        return {
            "is_sound": verdict.is_sound,
            "headline": verdict.headline,
            "findings": [*verdict.reasons, *verdict.notes],
            "barrier": None if update is None else update.barrier,
        }

    step = workspace.step("landscape", produce, **inputs)
    facts = {**step.facts, "findings": tuple(step.facts["findings"])}
    return LandscapeRef(folder=str(step.folder), digest=step.digest, **facts)


def _report(
    subject: StateRef,
    previous: StateRef | None,
    collection: CollectionRef,
    prior: PriorRef,
    critics: Critics,
) -> LandscapeReport:
    network = loaded_prior(prior)
    with np.load(collection.path, allow_pickle=False) as arrays:
        photos = PhotoSet.of(
            network,
            critics,
            arrays["crops"],
            arrays["ages"],
            with_anchors=subject.recipe.follows_anchors,
        )
    adapter = untrained_adapter(subject.network, seed=subject.recipe.seed).eval()
    start = {name: tensor.clone() for name, tensor in adapter.state_dict().items()}
    end = _loaded_state(subject)
    ground = Ground(network, critics, photos, adapter, subject.recipe)
    ways = {"the start": start}
    if previous is not None:
        _check_sizes(subject, previous)
        ways[previous.version] = _loaded_state(previous)
    from_start, *others = [
        way_between(ground, adapter, state, end, begins=name, ends=subject.version)
        for name, state in ways.items()
    ]
    without = stand_without_biases(ground, adapter, start, end)
    adapter.load_state_dict(end)
    return LandscapeReport(
        actor=subject.actor,
        version=subject.version,
        prior=prior.name,
        num_photographs=collection.num_photos,
        is_own_collection=collection.digest == subject.collection,
        steps=subject.recipe.steps,
        from_start=from_start,
        from_previous=others[0] if others else None,
        without_biases=without,
        slider=Slider(
            course=subject.strength_course,
            departure=subject.departure,
            plain_departure=subject.plain_departure,
        ),
        strip=_strip(network, adapter, photos, subject.strength_course),
        digests={
            "weights": subject.digest,
            "prior": prior.digest,
            "collection": collection.digest,
            **({} if previous is None else {f"weights of {previous.version}": previous.digest}),
        },
    )


def _loaded_state(ref: StateRef) -> dict[str, Tensor]:
    try:
        adapter = load_adapter(Path(ref.weights), asdict(ref.network))
    except AdapterFileError as error:
        raise RegistryError(f"adapter {ref.actor} {ref.version}: {error}") from error
    return adapter.to(device()).state_dict()


def _check_sizes(subject: StateRef, previous: StateRef) -> None:
    sizes = [replace(ref.network, is_zero_at_start=True) for ref in (subject, previous)]
    if sizes[0] != sizes[1]:
        raise RegistryError(
            f"adapter {subject.actor} {previous.version}: got {sizes[1]}, expected the sizes of "
            f"{subject.version}, {sizes[0]}; adapters of other sizes have no line between them"
        )


def _strip(
    prior: Prior, adapter: Adapter, photos: PhotoSet, course: tuple[float, ...]
) -> NDArray[np.uint8]:
    """The youngest and the oldest photograph, each well away from its age, at some strengths."""
    upright = len(photos.ages) // 2
    order = photos.ages[:upright].argsort(stable=True)
    rows = []
    for row in order[torch.linspace(0, upright - 1, min(_SHOWN_FACES, upright)).long()].tolist():
        crop, age = photos.crops[row : row + 1], photos.ages[row : row + 1]
        target = far_age(prior, float(age))
        shown = seen_along(
            prior, adapter, crop, age, torch.full_like(age, target),
            places=place_at(course, _SHOWN_STRENGTHS).tolist(),
        )  # fmt: skip
        rows.append(
            StripRow(
                label=f"{float(age):.0f} to {target:.0f}",
                source=pictures(crop)[0],
                faces=pictures(shown),
            )
        )
    return compose_strip(rows, headings=[f"{strength:g}" for strength in _SHOWN_STRENGTHS])


class Ground:
    """Photographs and target ages on which states of an adapter are judged, always the same.

    Args of the constructor:
        adapter: Whose weights are moved; judged as they are at the moment.
    """

    def __init__(
        self,
        prior: Prior,
        critics: Critics,
        photos: PhotoSet,
        adapter: Adapter,
        recipe: AdapterRecipe,
    ) -> None:
        self._critics, self._photos = critics, photos
        self._school = School.of_adapter(prior, critics, adapter, photos, recipe)
        upright = len(photos.ages) // 2
        order = photos.ages[:upright].argsort(stable=True)
        rows = order[torch.linspace(0, upright - 1, _SAMPLES).long()]
        self._samples = photos.batch(rows)
        self._targets, self._modes = self._asked(photos.ages[rows])

    def _asked(self, ages: Tensor) -> tuple[Tensor, Tensor]:
        """Ages of photographs a third of the collection further on, own ages, and ages beyond."""
        school, known = self._school, self._photos.range
        beyond = [
            (inside + limit) / 2
            for inside, limit in (
                (known.low, school.limits.low),
                (known.high, school.limits.high),
            )
            if abs(inside - limit) >= 1
        ]
        targets, modes = ages.roll(-(len(ages) // 3)).clone(), []
        for row in range(len(ages)):
            mode = _MODES[row % len(_MODES)]
            if mode == AgeMode.EXTRAPOLATION and beyond:
                targets[row] = beyond[row // len(_MODES) % len(beyond)]
            elif mode == AgeMode.NO_AGEING:
                targets[row] = ages[row]
            else:
                mode = AgeMode.INTERPOLATION
            modes.append(int(mode))
        return targets, torch.tensor(modes, device=ages.device)

    @torch.no_grad()
    def judged(self) -> dict[str, float]:
        """Returns the adapter's losses by term, their total, `likeness` and `age_error`."""
        school, targets = self._school, self._targets
        made = ageing_pass(
            school.prior, school.personal, self._samples, targets, self._modes, wanted=school.path
        )
        judgement = school.objective(made)
        apparent = self._critics.apparent_age(made.picture)
        return {
            **{name: float(term.mean()) for name, term in judgement.terms.items()},
            TOTAL: float(judgement.total),
            "likeness": self._likeness(self._critics.embed(made.picture)),
            "age_error": float((apparent - targets).abs().mean()),
        }

    def _likeness(self, embeddings: Tensor) -> float:
        """Mean best cosine with photographs of about the asked ages, where there are any."""
        upright = len(self._photos.ages) // 2
        ages = self._photos.ages[None, :upright]
        near = (ages - self._targets[:, None]).abs() <= _WINDOW_YEARS
        cosines = embeddings @ self._photos.embeddings[:upright].t()
        best = cosines.masked_fill(~near, -1.0).amax(dim=1)[near.any(dim=1)]
        return float(best.mean())


def way_between(
    ground: Ground, adapter: Adapter, start: State, end: State, *, begins: str, ends: str
) -> Way:
    """Judges evenly spaced states on the straight line between two, which are judged as well.

    Args:
        ground: Made with `adapter`, which is moved and ends at `end`.
        start, end: State dicts, not the adapter's own memory.
        begins, ends: Their names.
    """
    line = Line(adapter, start=start, end=end)
    found: dict[str, list[float]] = {}
    for strength in np.linspace(0, 1, NUM_STRENGTHS):
        line.at(float(strength))
        for name, value in ground.judged().items():
            found.setdefault(name, []).append(round(value, 6))
    adapter.load_state_dict({name: torch.lerp(start[name], t, _BEYOND) for name, t in end.items()})
    beyond = ground.judged()[TOTAL]
    line.at(1.0)
    likeness, age_error = found.pop("likeness"), found.pop("age_error")
    total = found[TOTAL]
    return Way(
        begins=begins,
        ends=ends,
        losses=found,
        likeness=likeness,
        age_error=age_error,
        plateau=plateau(total),
        barrier=barrier(total),
        still_falling=still_falling(total, beyond),
        wavering={n: back for n, curve in found.items() if (back := wavering(curve)) > 0},
    )


def stand_without_biases(ground: Ground, adapter: Adapter, start: State, end: State) -> Stand:
    """Judges weights of the end with biases of the start; arguments as of `way_between`."""
    Line(adapter, start=start, end=end, schedule=weights_only(biases="start")).at(1.0)
    found = ground.judged()
    return Stand(total=found[TOTAL], likeness=found["likeness"], age_error=found["age_error"])
