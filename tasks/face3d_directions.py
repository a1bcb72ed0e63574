"""The directions of a 3D prior: what its codes do as faces smile, other things being equal.

Holds no task. N faces, L style layers, D latent size.
"""

import hashlib
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from models.face3d.directions import label_direction
from models.face3d.prior import Face3DPrior
from models.published_file import write_tensors
from models.training import batches
from reage.head.expression import smiles
from reage.posed_faces import PosedFaceSet
from reage.registry.triplane_priors import DIRECTIONS

SMILE = "smile"


@torch.no_grad()
def fit_directions(prior: Face3DPrior, faces: PosedFaceSet) -> dict[str, Tensor]:
    """Returns directions (L, D) by name, fitted to the codes of the training faces.

    `smile` is told by the mesh of each face (reage.head.expression); where the head is turned, age
    and gender are told apart from it.

    Raises:
        ValueError: There are too few faces, or they are all alike.
    """
    rows = faces.training
    codes = torch.cat([prior.encode(crops) for crops in batches(faces.crops, rows)])
    ages = (faces.ages[rows] - faces.ages[rows].mean()) / 10
    others = np.column_stack([faces.angles[rows], ages, ages**2, faces.genders[rows]])
    label = torch.from_numpy(smiles(faces.skins[rows])).float()
    told_apart = torch.from_numpy(others[:, others.std(axis=0) > 0]).float()
    return {SMILE: label_direction(codes, label, told_apart)}


def write_directions(directions: dict[str, Tensor], folder: Path) -> str:
    """Writes directions beside a prior's weights; returns the file's SHA-256, in hex."""
    path = folder / DIRECTIONS
    write_tensors(path, directions)
    return hashlib.sha256(path.read_bytes()).hexdigest()
