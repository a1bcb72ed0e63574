"""A year of nights: what they store and what choosing what to keep costs, with no network taught.

And what the parts of one real night cost, networks included; see night_cost.py.

    python -m benchmarks.nights [--nights 365] [--arrivals 9]

Every night an increment of a look of its own arrives; registry, buffers, examination, gate and
audit log are the real ones. In the adapter's place stands a model of the same interface that takes
no time: a mean of codes, which follows what it is shown and forgets what it is not.
"""

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.night_cost import night_cost
from benchmarks.record import record
from flows.actor_night import learn_increment
from flows.night_ground import Ground, Pupil, begin
from flows.night_learners import Learner
from reage.manifest import ActorManifest
from reage.manifest.nightly import NightlyUpdates
from reage.provenance import AuditLog
from reage.registry.adapters import find_adapter
from reage.registry.buffers import buffer_versions, buffers_folder
from reage.registry.priors import find_prior
from reage.rehearsal.examination import ExaminedFace
from reage.rehearsal.held_out import choose_held_out
from reage.rehearsal.night import ActorNight
from reage.rehearsal.replay_buffer import Faces
from reage.workspace import Workspace
from tasks.increment_refs import BufferRef, ExaminationRef, IncrementRef
from tasks.refs import AdapterRef, TrainedRef
from tasks.remembered_faces import examined_faces, found_buffer, learnt_and_held_out
from tasks.replay_buffers import stage_update

CODE_SIZE, CROP_PX = 256, 24
_SHARE = 0.6  # of what is new, in the mean


@dataclass(frozen=True, kw_only=True)
class SimulatedNight:
    """What one night came to: the actor's result, bytes of all buffers, seconds of choosing."""

    night: ActorNight
    buffer_bytes: int
    largest_buffer_bytes: int
    staging_s: float


@dataclass
class MeanLearner:
    """Learns the mean of the codes that it is shown; keeps the seconds of staging."""

    folder: Path
    staging_s: list[float] = field(default_factory=list)

    def steps(self) -> Learner:
        """Returns it as what a night calls."""
        return Learner(update=self.update, examine=self.examine, stage=self.stage, draw=None)

    def update(
        self,
        increment: IncrementRef,
        buffer: BufferRef | None,
        start: AdapterRef | None,
        *_: object,
        **__: object,
    ) -> TrainedRef:
        """Moves the mean towards new and rehearsed codes of equal weight."""
        learnt, _held_out = learnt_and_held_out(increment)
        shown = learnt.codes.mean(axis=0)
        if buffer is not None:
            shown = (shown + found_buffer(buffer).kept.codes.mean(axis=0)) / 2
        mean = shown if start is None else (1 - _SHARE) * _mean_of(start) + _SHARE * shown
        folder = self.folder / f"update-{increment.number}"
        folder.mkdir()
        (folder / "weights.safetensors").write_bytes(mean.astype(np.float32).tobytes())
        described = {"network": {}, "metrics": {}, "strength_course": [0.0, 1.0]}
        (folder / "adapter.json").write_text(json.dumps(described))
        return TrainedRef(folder=str(folder), digest=increment.digest)

    def examine(
        self,
        increment: IncrementRef,
        buffer: BufferRef | None,
        before: AdapterRef | None,
        after: TrainedRef,
        *_: object,
        **__: object,
    ) -> ExaminationRef:
        """Takes the distance of held-out codes from the mean, and its cosine."""
        faces = examined_faces(increment, buffer)
        new = np.frombuffer((Path(after.folder) / "weights.safetensors").read_bytes(), np.float32)
        old = None if before is None else _mean_of(before)
        examined = [
            ExaminedFace(
                photograph=str(faces.photographs[row]),
                increment=int(faces.increments[row]),
                before={} if old is None else _figures(faces.codes[row], old),
                after=_figures(faces.codes[row], new),
            )
            for row in range(len(faces))
        ]
        text = json.dumps([asdict(face) for face in examined])
        (Path(after.folder) / "examination.json").write_text(text)
        return ExaminationRef(folder=after.folder, digest=after.digest)

    def stage(self, *arguments: Any, **more: Any) -> str:
        """Chooses and stages as a night does, and takes the time."""
        begun = time.perf_counter()
        digest: str = stage_update.fn(*arguments, **more)
        self.staging_s.append(time.perf_counter() - begun)
        return digest


def simulated_year(
    folder: Path,
    settings: NightlyUpdates,
    *,
    nights: int,
    arrivals: Callable[[np.random.Generator], int],
    seed: int = 0,
) -> Iterator[SimulatedNight]:
    """Yields night after night; `REAGE_HOME` must be a registry of its own.

    Args:
        folder: For work and audit log.
        settings: Of the actor's manifest.
        nights: How many.
        arrivals: Draws how many photographs a night brings.
        seed: Of all that arrives.
    """
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(seed)
    actor = ActorManifest.model_validate(_MANIFEST)
    pupil = Pupil(
        actor=actor,
        settings=settings,
        prior=find_prior(settings.prior),
        workspace=Workspace.of_actor(folder, actor.actor),
        audit=AuditLog(folder / "audit.jsonl"),
    )
    learner = MeanLearner(folder)
    for _ in range(nights):
        ground = begin(pupil)
        increment = _arrived(ground, pupil, arrivals(rng), rng, folder)
        quiet = ActorNight(actor=actor.actor, outcome="nothing new", detail="")
        night = learn_increment(pupil, ground, increment, quiet, learner=learner.steps())
        sizes = _sizes(actor.actor)
        yield SimulatedNight(
            night=night,
            buffer_bytes=sum(sizes),
            largest_buffer_bytes=max(sizes),
            staging_s=learner.staging_s[-1],
        )


_MANIFEST = {
    "actor": "simulated",
    "names": ["Simulated"],
    "collection": "photographs",
    "consent": {
        "document_id": "SIMULATED",
        "scope": ["train"],
        "shows": "any",
        "granted": "2020-01-01",
        "expires": "2100-01-01",
    },
}


def _arrived(
    ground: Ground, pupil: Pupil, count: int, rng: np.random.Generator, folder: Path
) -> IncrementRef:
    number = len(ground.records) + 1
    faces = _faces(count, number, rng)
    is_held_out = np.zeros(count, bool)
    held_out = pupil.settings.buffer.held_out
    is_held_out[choose_held_out(faces.photographs.tolist(), most=held_out)] = True
    path = folder / f"increment-{number}.npz"
    with path.open("wb") as file:
        np.savez(file, **faces.arrays(), is_held_out=is_held_out)
    return IncrementRef(
        path=str(path),
        digest=f"{number:064x}",
        number=number,
        num_learnt=int((~is_held_out).sum()),
        num_held_out=int(is_held_out.sum()),
        min_age=float(faces.ages.min()),
        max_age=float(faces.ages.max()),
    )


def _faces(count: int, number: int, rng: np.random.Generator) -> Faces:
    """An increment's look: codes about a centre of its own, not far from the person's."""
    codes = rng.normal(size=CODE_SIZE) + 0.5 * rng.normal(size=(count, CODE_SIZE)) + 3.0
    embeddings = rng.normal(size=(count, 16))
    embeddings /= np.linalg.norm(embeddings, axis=1, keepdims=True)
    return Faces(
        crops=rng.integers(0, 255, (count, CROP_PX, CROP_PX, 3), np.uint8),
        codes=codes.astype(np.float32),
        embeddings=embeddings.astype(np.float32),
        hashes=rng.random((count, 16, 16)) < 0.5,
        sharpness=rng.random(count).astype(np.float32),
        ages=rng.uniform(30, 70, count).astype(np.float32),
        age_sources=np.full(count, "exif"),
        names=np.array([f"night_{number:03d}/{n}.jpg" for n in range(count)], np.str_),
        photographs=np.array([rng.bytes(32).hex() for _ in range(count)], np.str_),
        increments=np.full(count, number, np.int64),
    )


def _mean_of(ref: AdapterRef) -> NDArray[np.float32]:
    return np.frombuffer(find_adapter(ref.actor, ref.version).weights.read_bytes(), np.float32)


def _figures(code: NDArray[np.float32], mean: NDArray[np.floating]) -> dict[str, float]:
    apart, scale = float(np.linalg.norm(code - mean)), float(np.linalg.norm(code))
    cosine = float(code @ mean) / max(scale * float(np.linalg.norm(mean)), 1e-9)
    return {"distance": apart / max(scale, 1e-9), "identity": cosine}


def _sizes(actor: str) -> list[int]:
    folder = buffers_folder(actor)
    return [
        sum(file.stat().st_size for file in (folder / version).iterdir())
        for version in buffer_versions(actor)
    ]


def main() -> None:
    """Simulates a year in a registry of its own, a line a month, and times a real night's parts."""
    torch.set_num_threads(1)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--nights", type=int, default=365)
    parser.add_argument("--arrivals", type=int, default=9, help="photographs a night, on average")
    asked = parser.parse_args()
    settings = NightlyUpdates.model_validate(
        {"buffer": {"megabytes": 4}, "tolerance": {"distance": 1, "identity": 2}}
    )
    found = []
    with tempfile.TemporaryDirectory() as home:
        os.environ["REAGE_HOME"] = home
        for simulated in simulated_year(
            Path(home) / "work",
            settings,
            nights=asked.nights,
            arrivals=lambda rng: 1 + int(rng.poisson(asked.arrivals - 1)),
        ):
            found.append(simulated)
            if len(found) % 30 == 0:
                print(
                    f"night {len(found):>4}: buffers {simulated.buffer_bytes / 1e6:6.2f} MB, "
                    f"staging {1000 * simulated.staging_s:6.1f} ms"
                )
    figures = {
        "nights": len(found),
        "photographs": sum(n.night.records[-1].num_learnt for n in found),
        "largest_buffer_mb": round(max(n.largest_buffer_bytes for n in found) / 1e6, 3),
        "all_buffers_mb": round(max(n.buffer_bytes for n in found) / 1e6, 3),
        "staging_s": {
            "median": round(float(np.median([n.staging_s for n in found])), 4),
            "most": round(max(n.staging_s for n in found), 4),
        },
    }
    with tempfile.TemporaryDirectory() as home:
        os.environ["REAGE_HOME"] = home
        figures["cost"] = night_cost(Path(home) / "work")
    print(json.dumps(figures, indent=1))
    print(record("nights", figures))


if __name__ == "__main__":
    main()
