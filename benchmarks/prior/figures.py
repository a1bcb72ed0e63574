"""Figures of a prior, by method, by group and by age, from what the judges saw.

- spearman: rank correlation of asked and judged age, all faces and targets together.
- direction_right: share of faces judged older at the oldest target than at the youngest.
- moved_right: share of face-target pairs, asked to move 10 years or more from the judged age of the
  original, that were judged to have moved that way.
- rank1: share of re-aged faces whose nearest neighbour among the originals of 100 people is their
  own; a move's size is counted from the age that the prior reads.
- colour_shift: distance in CIELAB of the face's mean colour, before and after, mean over faces.
- gender_kept: share whose judged gender is the one judged of the photograph.

Shapes: N faces, T target ages, E embedding size.
"""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.held_out import GENDERS, GROUPS
from benchmarks.judges import gender_names
from benchmarks.prior.checkerboard import checkerboard
from benchmarks.prior.distances import fid, kid_ratio
from benchmarks.prior.judging import Embedded, Originals, Seen
from benchmarks.prior.measures import (
    TARGETS,
    by_move,
    found_first,
    galleries,
    mean_known,
    moved_right,
    rank_correlation,
    within,
    worst_group,
)

OTHER_AGE_YEARS = 10  # a face further than this from a target is of another age
LOWER_IS_BETTER = frozenset({"colour_shift"})
SHOWN = ("photographs", "decoded", "change")
_FEATURES = "unit embeddings of the identity judge, scaled to length sqrt(E)"

Array = NDArray[Any]


def method_figures(originals: Originals, seen: Seen) -> dict[str, Any]:
    """Returns the figures of one method over all faces."""
    asked = np.array(TARGETS, float)
    among = galleries(originals.embedded)
    found = found_first(seen.embedded, originals.embedded, among)
    moves = asked - originals.read_ages[:, None]
    kept = (seen.genders == originals.judged_genders[:, None]).astype(float)
    ranks = [mean_known(column) for column in found.T]
    return {
        "spearman": _short(rank_correlation(asked, seen.ages)),
        "direction_right": _short(_older_at_last(seen.ages), 4),
        "moved_right": _short(moved_right(asked, seen.ages, originals.judged_ages), 4),
        "judged_age": _by_target(seen.ages.mean(axis=0), 1),
        "age_gain": _short((seen.ages[:, -1] - seen.ages[:, 0]).mean(), 1),
        "gallery": len(among[0]),
        "rank1": _by_target(ranks),
        "rank1_mean": _short(mean_known(found)),
        "rank1_min": min(_short(rank) or 0.0 for rank in ranks),
        "rank1_by_move": by_move(found, moves),
        "rank1_within_20": _short(within(found, moves, 20)),
        "cosine_by_move": by_move(_likeness(originals, seen), moves),
        "colour_shift": _by_target(seen.shifts.mean(axis=0), 2),
        "colour_shift_mean": _short(seen.shifts.mean(), 2),
        "gender_kept": _by_target(kept.mean(axis=0)),
        "gender_kept_mean": _short(kept.mean()),
    }


def _likeness(originals: Originals, seen: Seen) -> Array:
    """Cosine of each re-aged face with its photograph, (N, T)."""
    return np.asarray(np.einsum("nte,ne->nt", seen.embedded, originals.embedded))


def worst_faces(originals: Originals, seen: Seen, count: int) -> dict[str, list[str]]:
    """Names those least like themselves at the last target, and those most off in colour."""
    alike = _likeness(originals, seen)[:, -1]
    off = seen.shifts.max(axis=1)
    return {
        "identity": originals.names[np.argsort(alike)[:count]].tolist(),
        "colour": originals.names[np.argsort(-off)[:count]].tolist(),
    }


def gender_judge(originals: Originals) -> dict[str, Any]:
    """Says what the gender judge's logits mean, and how often it meets the labels."""
    names, met = gender_names(originals.judged_genders, originals.genders)
    return {"logits": [GENDERS[label] for label in names], "accuracy": _short(met, 4)}


def group_figures(originals: Originals, seen: Seen) -> dict[str, Any]:
    """Returns figures by group and by gender, and who falls furthest behind.

    Of the groups, `other` is told and does not count. Galleries are of all people together.
    """
    found = found_first(seen.embedded, originals.embedded, galleries(originals.embedded))
    kept = (seen.genders == originals.judged_genders[:, None]).astype(float)
    labels = {"groups": (originals.groups, GROUPS), "genders": (originals.genders, GENDERS)}
    told: dict[str, Any] = {}
    for kind, (codes, names) in labels.items():
        rows = {name: np.flatnonzero(codes == code) for code, name in enumerate(names)}
        figures = {
            "spearman": _by_group(
                rows, lambda r: rank_correlation(np.array(TARGETS), seen.ages[r])
            ),
            "age_gain": _by_group(rows, lambda r: (seen.ages[r, -1] - seen.ages[r, 0]).mean()),
            "rank1": _by_group(rows, lambda r: mean_known(found[r])),
            "colour_shift": _by_group(rows, lambda r: seen.shifts[r].mean()),
            "gender_kept": _by_group(rows, lambda r: kept[r].mean()),
        }
        judged = {
            figure: {name: value for name, value in values.items() if name != "other"}
            for figure, values in figures.items()
        }
        worst = worst_group(judged, lower_is_better=LOWER_IS_BETTER)
        told[kind] = {
            "faces": {name: len(r) for name, r in rows.items()},
            **figures,
            "worst": {
                "figure": worst.figure,
                "group": worst.group,
                "worse": _short(worst.worse),
                "met": worst.is_met,
            },
        }
    return told


def _by_group(rows: dict[str, Array], figure: Any) -> dict[str, float | None]:
    return {name: _short(figure(r)) if len(r) > 1 else None for name, r in rows.items()}


def reconstruction(originals: Originals) -> dict[str, Any]:
    """Returns how well the prior makes a crop of its own age, and what patterns it leaves."""
    psnr = originals.psnr_db
    spectra = originals.spectra.mean(axis=0)
    return {
        "psnr_db": _short(psnr.mean(), 2),
        "psnr_db_5_percent": _short(np.percentile(psnr, 5), 2),
        "checkerboard": {
            name: {place: _short(v, 2) for place, v in checkerboard(power).items()}
            for name, power in zip(SHOWN, spectra, strict=True)
        },
    }


def fid_figures(originals: Originals, seen: Seen) -> dict[str, Any]:
    """Returns FID of held-out photographs against decoded crops, and against outputs by target."""
    outputs = [
        fid(features(originals.embedded), features(seen.embedded[:, column]))
        for column in range(len(TARGETS))
    ]
    return {
        "features": _FEATURES,
        "caveat": (
            f"{len(originals.names)} faces a side and {originals.embedded.shape[1]} features of a "
            "face recogniser: not comparable with published FID, which takes 50,000 pictures and "
            "Inception's features; both sides are the same people"
        ),
        "decoded": _short(
            fid(features(originals.crop_embedded), features(originals.decoded_embedded)), 2
        ),
        "outputs": _by_target(outputs, 2),
        "outputs_mean": _short(np.mean(outputs), 2),
    }


def kid_figures(
    originals: Originals, seen: Seen, real: dict[int, tuple[int, Embedded]]
) -> dict[str, Any]:
    """Compares outputs at an age, and the same people unedited, with real faces of that age.

    The people are those further than 10 years from it by their labels, so that no picture stands on
    both sides.

    Args:
        originals: The held-out faces.
        seen: Of one method.
        real: By target age: the window, years, and the real faces.
    """
    ages = {}
    for column, target in enumerate(TARGETS):
        window, faces = real[target]
        people = np.flatnonzero(np.abs(originals.ages - target) > OTHER_AGE_YEARS)
        if set(originals.names[people]) & set(faces.names):
            raise AssertionError(f"kid at {target}: a picture stands on both sides")
        if min(len(people), len(faces.names)) < 4:
            continue
        told = kid_ratio(
            features(seen.embedded[people, column]),
            features(originals.embedded[people]),
            features(faces.embedded),
        )
        ages[str(target)] = {
            "people": len(people),
            "real": len(faces.names),
            "window_years": window,
            **{name: _short(value, 4) for name, value in vars(told).items()},
        }
    return {"features": _FEATURES, "other_age_years": OTHER_AGE_YEARS, "by_age": ages}


def features(embedded: Array) -> Array:
    """Scales unit embeddings (N, E) so that the kernel's x . y / E is their cosine."""
    return embedded * np.sqrt(embedded.shape[1])


def _older_at_last(ages: Array) -> float:
    return float((ages[:, -1] > ages[:, 0]).mean())


def _by_target(values: Any, digits: int = 3) -> dict[str, float | None]:
    return {str(t): _short(value, digits) for t, value in zip(TARGETS, values, strict=True)}


def _short(value: Any, digits: int = 3) -> float | None:
    if value is None or not math.isfinite(value):
        return None
    return round(float(value), digits)
