"""The model card of a 3D prior, written from the run.

What others' networks say of it stands between two marker lines and is kept as long as the weights
are the same.
"""

from collections.abc import Sequence
from dataclasses import MISSING, fields
from pathlib import Path

from models.face3d.prior import Face3DPrior
from models.face3d.prior_recipe import Face3DPriorRecipe, ViewsPhase
from reage.curve_picture import draw_curve
from reage.labelled_faces import ADULT_AGE
from reage.markdown import dashed, duration, table
from reage.posed_faces import PosedFaceSet
from reage.training_curve import CURVE_NAME, CurveLine, of_stage, read_curve
from tasks.prior_card import CARD_NAME, JUDGED, JUDGED_END, PICTURE_NAME, judgement_in

NOT_JUDGED = "Not judged yet: run `make bench-face3d`."
DIRECTIONS_SAID = (
    "Beside the weights lie directions of w+ along which looks are edited, "
    "`directions.safetensors`: `smile`, from the\nmouth of the least smiling tenth of the training "
    "faces to that of the most smiling one, as their own mesh tells it, with\nthe head's turn, age "
    "and gender told apart."
)
_SAID_APART = {"steps", "batch_size", "learning_rate", "render_size"}


def write_face3d_card(
    prior: Face3DPrior,
    digest: str,
    faces: PosedFaceSet,
    recipe: Face3DPriorRecipe,
    place: Path,
    published: Path,
) -> None:
    """Writes the card, and the curve's picture beside it where there is a curve.

    Args:
        prior: Trained.
        digest: SHA-256 of its weights file, in hex.
        faces: It was trained on.
        recipe: It was trained by.
        place: Holds the run's curve.
        published: Folder of the published prior.
    """
    lines = [line for line in read_curve(place / CURVE_NAME) if line.terms]
    (published / PICTURE_NAME).unlink(missing_ok=True)
    if lines:
        draw_curve(lines, published / PICTURE_NAME)
    path = published / CARD_NAME
    judged = judgement_in(path.read_text(encoding="utf-8"), digest) if path.is_file() else ""
    sections = (
        _head(prior, digest),
        _data(faces),
        _networks(prior),
        _recipe(recipe, lines),
        f"## Judged by others' networks\n\n{JUDGED}\n{judged or NOT_JUDGED}\n{JUDGED_END}",
        _limits(),
    )
    path.write_text("\n\n".join(sections) + "\n", encoding="utf-8")


def _head(prior: Face3DPrior, digest: str) -> str:
    size = prior.config.crop_size
    return (
        "# 3D prior\n\n"
        f"Turns a photograph of a face into a tri-plane face of {size} x {size} pixels that can be "
        "seen from the side, aged and\npersonalised. Trained by `reage train-prior --kind face3d`; "
        "this card was written from that run.\n\n"
        f"- **Weights**: `weights.safetensors`, half precision, SHA-256 `{digest}`.\n"
        f"- **Licence**: {prior.config.licence}.\n"
        f"- **Adults only**: photographs labelled below {ADULT_AGE} were left out."
    )


def _data(faces: PosedFaceSet) -> str:
    held, chosen, trained = faces.folds == 0, faces.folds == 1, faces.folds > 1
    yaw = abs(faces.angles[:, 0])
    return (
        "## Data\n\n"
        f"{len(faces):,} posed adult faces, labelled {faces.ages.min()} to {faces.ages.max()} "
        "years. Folds are told by the CRC-32 of the file\nname, modulo 20: 0 is held out for the "
        f"test ({held.sum():,}), 1 for validation ({chosen.sum():,}), 2-19 trained "
        f"({trained.sum():,}).\nCameras are estimated from the face's mesh: half of the faces are "
        f"turned by less than {float(sorted(yaw)[len(yaw) // 2]):.0f} degrees."
    )


def _networks(prior: Face3DPrior) -> str:
    generator, encoder = prior.config.generator, prior.config.encoder
    told = {
        "encoder": f"{encoder.size} px to w+ ({generator.num_layers} x {generator.latent_size}), "
        f"channels {dashed(encoder.channels)}",
        "generator": f"planes of {generator.planes.resolution} px and {generator.num_features} "
        f"features, channels {dashed(generator.planes.channels)}; rendered at "
        f"{generator.render_size} px with {generator.rendering.num_coarse} + "
        f"{generator.rendering.num_fine} samples a ray",
        "path": f"{prior.config.path_components} components, {prior.config.path_knots} knots",
    }
    rows = [
        (name, what, f"{sum(t.numel() for t in prior.get_submodule(name).state_dict().values()):,}")
        for name, what in told.items()
    ]
    return f"## What is in it\n\n{table(('part', 'what', 'numbers'), rows)}\n\n{DIRECTIONS_SAID}"


def _recipe(recipe: Face3DPriorRecipe, lines: Sequence[CurveLine]) -> str:
    stages = {"views": recipe.views, "dual": recipe.dual}
    rows = [
        (
            stage,
            number,
            p.steps,
            p.batch_size,
            f"{p.render_size} px",
            f"{p.learning_rate:g}",
            _differing(p),
        )
        for stage, phases in stages.items()
        for number, p in enumerate(phases, start=1)
    ]
    heads = ("stage", "phase", "steps", "batch", "rendered", "learning rate", "not at its default")
    found = [of_stage(lines, stage) for stage in stages]
    took = duration(sum(curve[-1].seconds for curve in found if curve))
    return (
        f"## Recipe\n\n`recipe.json` beside this card; seed {recipe.seed}. Photographs are found "
        "again from their own cameras, and from others\nas they look on the surface of a head "
        f"(`views`); {_against(recipe)}. "
        + (f"It took {took}." if any(found) else "No curve was recorded.")
        + f"\n\n{table(heads, rows)}"
    )


def _against(recipe: Face3DPriorRecipe) -> str:
    """Says what stands in the place of people's eyes."""
    untrained = (
        "the mapping network z -> w is untrained: faces\ncome from photographs, not from noise"
    )
    if not recipe.dual:
        return f"there is no adversarial stage, and {untrained}"
    judged = (
        "a discriminator then judges pictures, their renderings and their cameras together (`dual`)"
    )
    if any(phase.sampled_share for phase in recipe.dual):
        return f"{judged}, of photographs' faces\nand of faces from noise"
    return f"{judged},\nand {untrained}"


def _differing(phase: ViewsPhase) -> str:
    parts = []
    for field in fields(phase):
        value = getattr(phase, field.name)
        if field.name in _SAID_APART or field.default is MISSING or value == field.default:
            continue
        parts.append(f"{field.name} {value}")
    return ", ".join(parts) or "-"


def _limits() -> str:
    return (
        "## Limits\n\n"
        "- Trained on one photograph of each person: what a photograph hides, the other cheek, the "
        "ears, the back of the\n  head, is guessed from a common head and is not the person's.\n"
        "- The ageing path is a mean over people and does little that an eye would call age.\n"
        "- Hair and shoulders stand on a common surface around the face, not on their own.\n"
        "- A reference for comp, not a final: fine detail comes from a personal model."
    )
