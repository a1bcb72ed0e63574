"""The side of a face that no photograph shows, taken from the side that one does.

A photograph from the left says nothing of the right, and weights tuned on it may do there what they
like. Its mirror image, seen by the mirrored camera, is what the right is most likely to be. Where
photographs show both sides nothing is made up, so that what is uneven in a face stays.
Source: Yin et al. 2023, "3D GAN Inversion with Facial Symmetry Prior".

Shapes: N photographs.
"""

from dataclasses import replace

import torch
from torch import Tensor

from models.ageing.personal_pass import PhotoBatch
from models.eg3d.camera import mirror, split_label

SEEN_DEG = 10.0  # a view counts as shown by a photograph from so near, in yaw


def with_unseen_sides(photos: PhotoBatch) -> PhotoBatch:
    """Adds the mirror image of each photograph whose mirrored view no photograph is near to.

    Args:
        photos: With cameras; anchors, where they are given, are those of their mirror images too.

    Returns:
        The photographs, then the mirror images; themselves where every view is shown.

    Raises:
        ValueError: The photographs come without cameras.
    """
    if photos.cameras is None:
        raise ValueError("photographs: cameras: got none, expected the label of each")
    yaw = _yaw_deg(photos.cameras)
    apart = (yaw[:, None] + yaw[None, :]).abs()
    rows = (apart.min(dim=1).values > SEEN_DEG).nonzero().flatten()
    if not len(rows):
        return photos
    made_up = photos.rows(rows)
    assert made_up.cameras is not None
    made_up = replace(made_up, crops=made_up.crops.flip(3), cameras=mirror(made_up.cameras))
    return photos.joined(made_up)


def _yaw_deg(cameras: Tensor) -> Tensor:
    """How far cameras (N, 25) stand to the face's side, degrees."""
    places = split_label(cameras)[0][:, :3, 3]
    return torch.rad2deg(torch.atan2(places[:, 0], places[:, 2]))
