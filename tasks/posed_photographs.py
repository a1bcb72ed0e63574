"""From an actor's gathered photographs to crops as cameras around a head in the world see them.

Shapes: N photographs, K landmarks, R crop size.
"""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from prefect import task
from prefect.cache_policies import NO_CACHE

from reage.detection import Detection
from reage.errors import CollectionError
from reage.faces import FaceFinder
from reage.head.camera import LARGEST_PITCH, LARGEST_YAW, PosedFace, pose_face
from reage.head.crop import cut_crop
from reage.photograph import Photograph, read_photograph
from reage.workspace import Workspace
from tasks.face3d_refs import PosedRef
from tasks.gathering import Report, found_files, silent
from tasks.gpu import loaded_prior
from tasks.portraits import aligned_crop, longest_side, read_crops
from tasks.refs import CollectionRef, PriorRef


@task(name="pose photographs", cache_policy=NO_CACHE)
def pose_photographs(
    collection: CollectionRef,
    place: str,
    prior: PriorRef,
    size: int,
    *,
    workspace: Workspace,
    report: Report = silent,
) -> PosedRef:
    """Finds the camera of every accepted photograph of a collection, and cuts its crop.

    Args:
        collection: Gathered with `prior`, which tells the actor's face from others.
        place: Where the photographs lie, as they were gathered from.
        prior: The ageing prior.
        size: R.
        workspace: The actor's.
        report: Told of progress.

    Raises:
        CollectionError: No photograph shows the face from near enough to the front.
    """
    files = found_files(place, workspace, report)

    def produce(folder: Path) -> dict[str, Any]:
        with np.load(collection.path, allow_pickle=False) as arrays:
            known = {name: arrays[name] for name in ("names", "ages", "embeddings")}
        found = []
        with FaceFinder() as finder:
            for row, name in enumerate(known["names"].tolist()):
                path = files[name]
                assert path is not None
                photograph = read_photograph(path, longest_side=longest_side(loaded_prior(prior)))
                faces = finder.detect(photograph.display)
                face = _actors_face(photograph, faces, known["embeddings"][row], prior)
                if face is not None and face.is_near_front:
                    found.append((row, face, cut_crop(photograph.pixels, face, size)))
                report("posed", row + 1, len(known["names"]))
        _write(folder / "posed.npz", found, known)
        return {"num_photos": len(found), "num_refused": len(known["names"]) - len(found)}

    step = workspace.step(
        "posed", produce, collection=collection.digest, prior=prior.content, size=size
    )
    if not step.facts["num_photos"]:
        raise CollectionError(
            f"{place}: photographs: got none within {LARGEST_YAW:g} degrees of yaw and "
            f"{LARGEST_PITCH:g} of pitch, expected at least one; add photographs from the front"
        )
    return PosedRef(path=str(step.folder / "posed.npz"), digest=step.digest, **step.facts)


def _actors_face(
    photograph: Photograph, faces: list[Detection], wanted: NDArray[np.float32], prior: PriorRef
) -> PosedFace | None:
    """Poses the face that is most like the one that was accepted; None where there is none."""
    if not faces:
        return None
    network = loaded_prior(prior)
    crops = [aligned_crop(photograph.pixels, face.landmarks, network) for face in faces]
    embeddings, _ = read_crops(crops, network)
    chosen = faces[int((embeddings @ wanted).argmax())]
    return pose_face(chosen.landmarks, chosen.depths)


def _write(
    path: Path,
    found: list[tuple[int, PosedFace, NDArray[np.float32]]],
    known: dict[str, NDArray[Any]],
) -> None:
    rows = [row for row, _, _ in found]
    crops = [np.rint(np.clip(crop, 0, 1) * 255).astype(np.uint8) for _, _, crop in found]
    with path.open("wb") as file:
        np.savez(
            file,
            crops=np.array(crops, np.uint8),
            cameras=np.array([face.camera.label for _, face, _ in found], np.float32),
            angles=np.array([face.camera.angles for _, face, _ in found], np.float64),
            ages=known["ages"][rows].astype(np.float32),
            names=known["names"][rows],
        )
