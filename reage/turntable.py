"""A turntable: which cameras a head is shown from, frame by frame, and what is said of the movie.

Source of the source type: IPTC NewsCodes "digitalsourcetype", as C2PA uses it.
"""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from reage.head.camera import HeadCamera
from reage.lettering import draw_text
from reage.looks import Looks
from reage.manifest.fields import YOUNGEST

GENERATED_SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"
LARGEST_YAW, LARGEST_PITCH = 60.0, 40.0
_OLDEST = 100.0
_SHEET = 5  # frames of a sheet


@dataclass(frozen=True, kw_only=True)
class Turntable:
    """From where a head is shown.

    Attributes:
        first_yaw, last_yaw: Degrees; the camera goes from one to the other and back, slowest at
            both, so that the movie can be looped.
        pitch: Degrees, positive from above.
        fps: Frames a second, whole.
        seconds: Of the movie.
        target_age: Years; None leaves the age of the photographs.
        looks: Which are shown; they change as the camera turns, and back.
    """

    first_yaw: float = -35.0
    last_yaw: float = 35.0
    pitch: float = 0.0
    fps: int = 24
    seconds: float = 4.0
    target_age: float | None = None
    looks: Looks = field(default_factory=Looks)

    def __post_init__(self) -> None:
        for name, limit in (
            ("first_yaw", LARGEST_YAW), ("last_yaw", LARGEST_YAW), ("pitch", LARGEST_PITCH),
        ):  # fmt: skip
            if not abs(getattr(self, name)) <= limit:
                raise ValueError(
                    f"turntable: {name}: got {getattr(self, name):g}, expected -{limit:g} to "
                    f"{limit:g} degrees"
                )
        if not 1 <= self.fps <= 120 or not 0 < self.seconds <= 60 or self.num_frames < 2:
            raise ValueError(
                f"turntable: got {self.fps} frames a second for {self.seconds:g} s, expected 1 to "
                "120 for up to 60 s, at least 2 frames"
            )
        if self.target_age is not None and not YOUNGEST <= self.target_age <= _OLDEST:
            raise ValueError(
                f"turntable: age: got {self.target_age:g}, expected {YOUNGEST} to {_OLDEST:g} years"
            )

    @property
    def num_frames(self) -> int:
        """How many frames there are."""
        return round(self.fps * self.seconds)

    def cameras(self) -> NDArray[np.float32]:
        """Returns the camera label of every frame, (T, 25)."""
        yaws = self.first_yaw + (self.last_yaw - self.first_yaw) * self.shares()
        return np.stack([HeadCamera.towards(yaw, self.pitch).label for yaw in yaws])

    def shares(self) -> NDArray[np.float64]:
        """Returns how far each frame is on the way there, (T,): from 0 to 1 and back."""
        phases = 2 * math.pi * np.arange(self.num_frames) / self.num_frames
        return np.asarray((1 - np.cos(phases)) / 2)

    def sheet_frames(self) -> dict[int, str]:
        """Returns a few frames on the way there, from 0, and what a sheet says of each."""
        half = self.num_frames // 2
        chosen = sorted({round(half * step / (_SHEET - 1)) for step in range(_SHEET)})
        shares = self.shares()
        yaws = self.first_yaw + (self.last_yaw - self.first_yaw) * shares
        return {
            frame: f"{shares[frame]:.0%}" if self.looks.changes else f"{round(yaws[frame]):+d} deg"
            for frame in chosen
        }


def parsed_yaw(text: str) -> tuple[float, float]:
    """Reads `-35:35`, degrees.

    Raises:
        ValueError: It is no such pair.
    """
    try:
        first, last = (float(part) for part in text.split(":"))
    except ValueError:
        raise ValueError(
            f"turntable: yaw: got {text!r}, expected two angles in degrees, as -35:35"
        ) from None
    return first, last


def generated_line(actor: str, consent: str) -> str:
    """Returns the line that says what a rendered picture is."""
    return f"AI-generated: novel views of {actor}; consent {consent}"


def marked_frame(picture: NDArray[np.uint8], *, actor: str, consent: str) -> NDArray[np.uint8]:
    """Returns a frame, uint8, (H, W, 3), with the line that says what it is."""
    frame = picture.copy()
    height, width = frame.shape[:2]
    text = generated_line(actor, consent)
    size = max(9, height // 42)
    place = (size * 0.7, height - size * 0.7)
    draw_text(frame, text, place, size=size, halo=0.8, max_width=width - 1.4 * size)
    return frame


def turntable_record(
    turntable: Turntable, *, movie_digest: str, facts: Mapping[str, Any]
) -> dict[str, Any]:
    """Describes what a turntable movie is and rests on, in JSON values; nothing in it is random.

    Args:
        turntable: What was rendered.
        movie_digest: SHA-256 (hex) of the movie.
        facts: Whom, from which version, prior and consent document, by which software.
    """
    return {
        "kind": "reage-turntable",
        "schema_version": 1,
        "digital_source_type": GENERATED_SOURCE_TYPE,
        "action": "novel views of a face rendered by a trained network from photographs",
        "movie": {"sha256": movie_digest, "frames": turntable.num_frames},
        "turntable": asdict(turntable),
        **facts,
    }
