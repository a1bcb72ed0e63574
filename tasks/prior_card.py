"""The model card of a trained prior, written from the run: nothing in it was typed by hand.

What others' networks say of it stands between two marker lines and is kept as long as the weights
are the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from models.ageing.compact_prior import CompactConfig, CompactPrior
from models.ageing.recipe import PriorRecipe, Stage
from reage.curve_picture import draw_curve
from reage.face_set import FaceSet
from reage.labelled_faces import ADULT_AGE
from reage.markdown import dashed, duration, figure, table
from reage.training_curve import CURVE_NAME, EVERY, CurveLine, of_stage, read_curve
from tasks.prior_figures import PriorFigures, kept_figures
from tasks.prior_start import Start

CARD_NAME, PICTURE_NAME = "MODEL_CARD.md", "curve.png"
JUDGED, JUDGED_END = "<!-- judged -->", "<!-- /judged -->"
NOT_JUDGED = "Not judged yet: run `make bench-prior`."
_ROUNDING = 1e-3  # of a gain kept in half precision
_FEW = 0.02  # share of the training faces below which a decade is called thin
_SAID_APART = {"steps", "batch_size", "learning_rate", "size"}


def write_card(
    prior: CompactPrior,
    faces: FaceSet,
    recipe: PriorRecipe,
    place: Path,
    published: Path,
    begun: Start | None = None,
) -> None:
    """Writes the card, and the curve's picture beside it where there is a curve.

    Args:
        prior: In evaluation mode.
        faces: It was trained on.
        recipe: It was trained by.
        place: Holds the run's curve and figures; the figures are taken if they are not there.
        published: Folder of the published prior.
        begun: What the run went on from, if anything.
    """
    lines = [line for line in read_curve(place / CURVE_NAME) if line.terms]
    (published / PICTURE_NAME).unlink(missing_ok=True)
    if lines:
        draw_curve(lines, published / PICTURE_NAME)
    path = published / CARD_NAME
    judged = judgement_in(path.read_text(encoding="utf-8"), prior.digest) if path.is_file() else ""
    figures = kept_figures(prior, faces, place)
    judged = judged or NOT_JUDGED
    text = compose_card(prior, faces, recipe, figures, lines, judged=judged, begun=begun)
    path.write_text(text, encoding="utf-8")


def compose_card(
    prior: CompactPrior,
    faces: FaceSet,
    recipe: PriorRecipe,
    figures: PriorFigures,
    lines: Sequence[CurveLine],
    *,
    judged: str = NOT_JUDGED,
    begun: Start | None = None,
) -> str:
    """Returns the card, Markdown.

    Args:
        prior: Trained.
        faces: It was trained on.
        recipe: It was trained by.
        figures: Of this prior.
        lines: Of the curve; may be none, or lack some.
        judged: What stands between the marker lines.
        begun: What the run went on from, if anything.
    """
    sections = (
        _head(prior.config, figures),
        _data(faces),
        _networks(prior),
        _recipe(recipe, begun, prior),
        _course(recipe, lines),
        _readers(figures),
        f"## Judged by others' networks\n\n{JUDGED}\n{judged}\n{JUDGED_END}",
        _limits(prior.config, faces),
    )
    return "\n\n".join(sections) + "\n"


def _head(config: CompactConfig, figures: PriorFigures) -> str:
    size, low, high = config.resolution, f"{config.min_age:g}", f"{config.max_age:g}"
    return (
        f"# Prior `{config.name}`\n\n"
        f"Re-ages an aligned {size} x {size} face crop between {low} and {high} years. Trained by "
        "`reage train-prior`;\nthis card was written from that run.\n\n"
        f"- **Weights**: `weights.safetensors`, half precision, SHA-256 `{figures.digest}`.\n"
        f"- **Licence**: {config.licence}.\n"
        f"- **Measured**: {figures.date}.\n"
        f"- **Adults only**: photographs labelled below {ADULT_AGE} were left out; target ages "
        f"below {low} are refused."
    )


def _data(faces: FaceSet) -> str:
    held, chosen, trained = (faces.folds == 0), (faces.folds == 1), (faces.folds > 1)
    decades = faces.ages // 10 * 10
    genders = {f"gender {_label(v)}": faces.genders == v for v in np.unique(faces.genders)}
    groups = {f"group {_label(v)}": faces.groups == v for v in np.unique(faces.groups)}
    folds = {"trained": trained, "validation": chosen, "held out": held}
    columns: dict[str, NDArray[np.bool_]] = folds | genders | groups
    rows = []
    for decade in np.unique(decades):
        counts = [int((mask & (decades == decade)).sum()) for mask in columns.values()]
        rows.append((f"{decade}-{decade + 9}", int((decades == decade).sum()), *counts))
    rows.append(("all", len(faces), *(int(mask.sum()) for mask in columns.values())))
    return (
        "## Data\n\n"
        f"{len(faces):,} aligned adult faces, labelled {faces.ages.min()} to {faces.ages.max()} "
        "years. Folds are told by the CRC-32 of the file\nname, modulo 20: 0 is held out for the "
        f"test ({held.sum():,}), 1 for validation ({chosen.sum():,}), 2-19 trained "
        f"({trained.sum():,}).\nGenders and groups are numbered as in the labels.\n\n"
        + table(("age", "faces", *columns), rows)
    )


def _networks(prior: CompactPrior) -> str:
    config = prior.config
    reader, embedder = config.regressor, config.embedder
    grid = " x ".join(str(side) for side in config.grid_shape)
    told = {
        "encoder": f"{config.resolution} px crop to w+ ({config.num_layers} x "
        f"{config.latent_size}), channels {dashed(config.encoder_channels)}",
        "synthesis": f"from a grid of {grid}, channels {dashed(config.synthesis_channels)}",
        "path": f"{config.path_components} components, {config.path_knots} knots, "
        f"{config.num_cells} cells of gender and group",
        "personal": f"hidden size {config.personal_hidden_size}; exactly 0 at the source age",
        "regressor": f"age {reader.min_age}-{reader.max_age}, gender, group from {reader.size} px; "
        f"channels {dashed(reader.channels)}",
        "embedder": f"{embedder.embedding_size} numbers from {embedder.size} px, without identity "
        f"labels; channels {dashed(embedder.channels)}",
    }
    if prior.finish is not None:
        told["finish"] = (
            f"draws the change on the crop, {config.resolution} px; channels "
            f"{dashed(config.finish_channels)}"
        )
    if config.witness is not None:
        told["witness"] = (
            f"age from {config.witness.size} px, for judging results: no other network is trained "
            f"to please it; channels {dashed(config.witness.channels)}"
        )
    rows = [(name, what, f"{_numbers(prior, name):,}") for name, what in told.items()]
    total = sum(tensor.numel() for tensor in prior.state_dict().values())
    rows.append(("all", "", f"{total:,}"))
    return "## What is in it\n\n" + table(("part", "what", "numbers"), rows)


def _gains(recipe: PriorRecipe, prior: CompactPrior) -> str:
    younger, older = float(prior.rejuvenation_gain), float(prior.ageing_gain)
    if max(abs(younger - recipe.learnt_gain), abs(older - 1)) > _ROUNDING:
        return (
            f"\nLast, the witness set the gain of moves to a younger age to {younger:.3f}, to an "
            f"older age to {older:.3f}: it read\nvalidation faces moved so beside real ones of "
            "those ages."
        )
    if abs(younger - recipe.path.rejuvenation_gain) > _ROUNDING:
        return f"\nThe rejuvenation gain is {younger:.3f}, as in the last phase of the finish."
    return ""


def _recipe(recipe: PriorRecipe, begun: Start | None, prior: CompactPrior) -> str:
    rows = []
    for stage, number, phase in _phases(recipe):
        size = getattr(phase, "size", None) or _whole_size(recipe.prior, stage)
        batch, rate = phase.batch_size, f"{phase.learning_rate:g}"
        rows.append((stage, number, phase.steps, batch, f"{size} px", rate, _differing(phase)))
    heads = ("stage", "phase", "steps", "batch", "size", "learning rate", "not at its default")
    path = _differing(recipe.path) or "all at their defaults"
    notes = "" if recipe.adversary else " There was no adversarial stage."
    if recipe.needs_recogniser:
        notes += (
            " Phases with `recognised` were held\nto what dlib's face recogniser says; others "
            "trained it, and it is not shipped."
        )
    if recipe.needs_viewer:
        notes += (
            " Those with `photographic` were held\nto what EfficientNet-Lite0 sees; others trained "
            "it on ImageNet, and it is not shipped."
        )
    if recipe.needs_second:
        notes += (
            " Those with `second_recognised`\nwere held to what MobileFace says; others trained "
            "it, and it is not shipped."
        )
    if begun is not None:
        notes += (
            f"\nThe run went on from the prior\n`{begun.prior.digest}`,\nwhich has the first "
            f"{begun.steps:,} steps of the finish and all before them behind it."
        )
    return (
        f"## Recipe\n\n`recipe.json` beside this card; seed {recipe.seed}."
        f"{notes}\n\n"
        + table(heads, rows)
        + f"\n\nThe path, between auto-encoder and adversary, is fitted and not trained: {path}."
        + _gains(recipe, prior)
    )


def _course(recipe: PriorRecipe, lines: Sequence[CurveLine]) -> str:
    if not lines:
        return "## Training\n\nNo curve was recorded: neither losses nor times are known."
    totals: dict[str, int] = {}
    for stage, _, phase in _phases(recipe):
        totals[stage] = totals.get(stage, 0) + phase.steps
    rows = []
    for stage, steps in totals.items():
        found = of_stage(lines, stage)
        seconds = duration(found[-1].seconds) if found else "not recorded"
        rows.append((stage, steps, _recorded(found, steps), seconds))
    picture = f"![Terms of each stage's loss over its steps]({PICTURE_NAME})"
    return (
        "## Training\n\n"
        + table(("stage", "steps", "recorded", "time of what was recorded"), rows)
        + f"\n\n{picture}\n\nMeans over {EVERY} steps; a grey line is where a phase begins."
    )


def _witness_rows(figures: PriorFigures) -> list[tuple[str, str]]:
    if figures.witness_mae is None:
        return []
    told = ", ".join(f"{read:.0f} of {age}" for age, read in figures.witnessed_at.items())
    return [
        ("apparent age by the witness: mean error, years", figure(figures.witness_mae, ".2f")),
        ("faces re-aged: what the witness reads of what was asked, years", told or "none"),
    ]


def _readers(figures: PriorFigures) -> str:
    if not figures.num_faces:
        return "## On validation faces\n\nThere were none: nothing was measured."
    rows = (
        ("apparent age: mean error, years", figure(figures.age_mae, ".2f")),
        ("apparent age: Pearson's r", figure(figures.age_r, ".3f")),
        *_witness_rows(figures),
        ("gender read as labelled", figure(figures.gender_accuracy, ".1%")),
        (
            f"embedder: two augmented views among {figures.num_embedded} faces, rank 1",
            figure(figures.rank1, ".1%"),
        ),
        ("reconstruction: PSNR, dB", figure(figures.psnr_db, ".2f")),
    )
    judged_by = "not judged by them" if figures.witness_mae is None else "judged by the witness"
    return (
        f"## On validation faces\n\nThe prior's own networks on {figures.num_faces:,} faces of "
        "fold 1, which trained nothing. They overrate what was trained\nbeside them, so the "
        f"ageing is {judged_by}.\n\n" + table(("what", "figure"), rows)
    )


def _limits(config: CompactConfig, faces: FaceSet) -> str:
    ages = faces.ages[faces.training]
    decades, counts = np.unique(ages // 10 * 10, return_counts=True)
    pairs = zip(decades, counts, strict=True)
    thin = ", ".join(f"{d}-{d + 9} ({n})" for d, n in pairs if n < _FEW * len(ages))
    items = [
        f"Changes are drawn at {config.resolution} px and are soft on faces much larger than that.",
        "Ages, gender and group are read from pixels and are wrong at times; they steer the path "
        "only and\n  say nothing about people.",
        "The labels' ages may be apparent ages. What is rare among the faces is learnt least: "
        + (f"few were of\n  {thin} years." if thin else "see the\n  counts above."),
        "The embedder knows photographs, not people over time: use it to tell the actors of one "
        "shot apart.",
        "A crop shows little of hair, skull and neck; they hardly change.",
    ]
    return "## Limits\n\n" + "\n".join(f"- {item}" for item in items)


def _phases(recipe: PriorRecipe) -> Iterator[tuple[str, int, Stage]]:
    """Yields stage, number of the phase from 1, and phase."""
    stages: Mapping[str, Sequence[Stage]] = {
        "regressor": (recipe.regressor,),
        "embedder": (recipe.embedder,),
        "autoencoder": recipe.autoencoder,
        "adversary": recipe.adversary,
        "windows": (recipe.windows,) if recipe.finish else (),
        "finish": recipe.finish,
        "witness": (recipe.witness,) if recipe.prior.witness else (),
    }
    for stage, phases in stages.items():
        for number, phase in enumerate(phases, start=1):
            yield stage, number, phase


def _whole_size(config: CompactConfig, stage: str) -> int:
    """Of the pictures that a stage works on when it says nothing else, pixels."""
    readers = {"regressor": config.regressor.size, "embedder": config.embedder.size}
    if config.witness is not None:
        readers["witness"] = config.witness.size
    return min(config.resolution, readers.get(stage, config.resolution))


def _differing(settings: Any) -> str:
    """Names the settings that are not at their defaults."""
    told = [
        f"{field.name} {_plain(getattr(settings, field.name))}"
        for field in fields(settings)
        if field.name not in _SAID_APART
        and field.default is not MISSING
        and getattr(settings, field.name) != field.default
    ]
    return ", ".join(told)


def judgement_in(card: str, digest: str) -> str:
    """Returns what a card of the same weights has between the markers; empty where it has none."""
    if f"`{digest}`" not in card or JUDGED not in card or JUDGED_END not in card:
        return ""
    return card.split(JUDGED, 1)[1].split(JUDGED_END, 1)[0].strip("\n")


def _recorded(lines: Sequence[CurveLine], steps: int) -> str:
    if not lines:
        return "nothing"
    first, last = lines[0].step, lines[-1].step
    if first <= EVERY and last == steps:
        return "all"
    # A line holds the mean of the steps since the one before.
    return f"steps {max(1, first - EVERY + 1)} to {last} only"


def _numbers(prior: CompactPrior, part: str) -> int:
    return sum(tensor.numel() for tensor in prior.get_submodule(part).state_dict().values())


def _plain(value: Any) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)


def _label(value: int) -> str:
    return "unknown" if value < 0 else str(value)
