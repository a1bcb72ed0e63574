"""EG3D's generator, filled by the seeded recipe, and what goldens hold of it.

Arrays come in the file's own sampling of pixels. Knows nothing of reports; see parity.py.
Source: the fact sheet of EG3D, section 4.

Shapes: B batch, L style layers, D latent size, F features, N pixels of a rendering, R pixels.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from benchmarks.golden_recipe import triplane_weights
from models.eg3d.camera import cast_rays, frontal_label, posed_label
from models.eg3d.config import TriPlaneConfig
from models.eg3d.generator import Identity, Rendering, TriPlaneGenerator
from models.eg3d.jitter import Jitter, Sampling
from models.ops.implementation import Implementation
from models.ops.upfirdn import fir_kernel

Golden = Mapping[str, NDArray[Any]]

_GIVEN = ("psi", "poses_yaw_pitch")
_RENDERED = re.compile(
    r"(?:jit(?P<jit>\d+)_)?(?P<what>feat|depth|wsum|image)(?:_(?P<size>\d+))?"
    r"(?:_(?P<part>s\d+|mean|std))?"
)
# Largest absolute difference by the beginning of a key; the sheet's, but for inputs.
_LIMITS = {
    "wsum": 5e-5, "ws": 1e-5, "planes": 1e-4, "points_sigma": 1e-4, "points_rgb": 5e-5, "ray": 1e-6,
    "feat": 5e-5, "depth": 5e-5, "image": 1e-4,
    "tol": 5e-5,
}  # fmt: skip
_INPUT_LIMIT = 1e-6


def is_of_triplanes(golden: Golden) -> bool:
    """Returns whether a golden file is of EG3D."""
    return any(key in golden for key in ("ws", "planes_s16", "poses_yaw_pitch"))


def filled_generator(implementation: Implementation = "fast") -> TriPlaneGenerator:
    """Returns the published generator with the recipe's weights, evaluation, no gradients."""
    with torch.device("meta"):
        generator = TriPlaneGenerator(TriPlaneConfig(implementation=implementation))
    shapes = {key: tuple(value.shape) for key, value in generator.state_dict().items()}
    state = {key: torch.from_numpy(values) for key, values in triplane_weights(shapes).items()}
    state |= {key: fir_kernel() for key in shapes if key not in state}
    generator.load_state_dict(state, assign=True)
    return generator.eval().requires_grad_(False)


@dataclass(frozen=True)
class TriPlaneStack:
    """The generator on one device, and what was made with it so far.

    Attributes:
        seed: Of the file's latents, points and jitter; the weights are those of every seed.
    """

    seed: int
    device: torch.device
    implementation: Implementation = "fast"
    _done: dict[Any, Any] = field(default_factory=dict)

    @cached_property
    def generator(self) -> TriPlaneGenerator:
        """Filled by the recipe."""
        return filled_generator(self.implementation).to(self.device)

    def limit(self, key: str) -> float:
        """Returns the largest difference that the fact sheet allows for a key."""
        name = re.sub(r"^jit\d+_", "", key)
        return next((v for k, v in _LIMITS.items() if name.startswith(k)), _INPUT_LIMIT)

    @torch.inference_mode()
    def array(self, key: str, golden: Golden) -> NDArray[Any] | None:
        """Returns our side of a key, None where there is none.

        Args:
            key: Of the golden file.
            golden: The file: latents, cameras, truncation and points are taken from it.

        Raises:
            KeyError: An input of the key is missing from the file.
        """
        if key in _GIVEN:
            return golden[key]
        if key in ("z", "points"):
            return self._drawn(golden)[key]
        if key == "tol_fused_vs_unfused":
            return self._apart(golden)
        ours = self._tensor(key, golden)
        return None if ours is None else ours.float().cpu().numpy()

    def _drawn(self, golden: Golden) -> dict[str, NDArray[Any]]:
        """The inputs that belong to the seed: z first, then the points."""
        generator = np.random.Generator(np.random.PCG64(1000 + self.seed))
        z = generator.standard_normal(golden["z"].shape).astype(np.float32)
        shape = golden["points"].shape if "points" in golden else (0,)
        points = (generator.random(shape, np.float32) * 2 - 1) * np.float32(0.7)
        return {"z": z, "points": points}

    def _tensor(self, key: str, golden: Golden) -> Tensor | None:
        if key in ("c", "c_cond", "ray_o_64", "ray_d_64"):
            return self._of_cameras(key, golden)
        if key in ("ws", "ws_cutoff7"):
            return self._latents(golden, cutoff=7 if key == "ws_cutoff7" else None)
        if key.startswith("planes_"):
            planes = self._identity(golden).triplane.planes.flatten(1, 2)
            return _read(planes, key.removeprefix("planes_"), golden[key].shape)
        if key in ("points_rgb", "points_sigma"):
            points = self._given("points", golden)
            colours, densities = self.generator.query(self._identity(golden), points)
            return colours if key == "points_rgb" else densities
        found = _RENDERED.fullmatch(key)
        if found is None or (found["jit"] is None and found["size"] is None):
            return None
        return _read(self._seen(found, golden), found["part"], golden[key].shape)

    def _of_cameras(self, key: str, golden: Golden) -> Tensor:
        if key == "c":
            return posed_label(*self._given("poses_yaw_pitch", golden).unbind(dim=1))
        if key == "c_cond":
            return frontal_label(len(golden[key]))
        origins, directions = cast_rays(self._given("c", golden), 64)
        return (origins if key == "ray_o_64" else directions)[:, ::64]

    def _given(self, name: str, golden: Golden) -> Tensor:
        return torch.from_numpy(golden[name]).to(self.device)

    def _latents(self, golden: Golden, *, cutoff: int | None = None) -> Tensor:
        psi = float(golden["psi"].reshape(-1)[0])
        z, camera = self._given("z", golden), self._given("c_cond", golden)
        return self.generator.latents(z, camera, psi=psi, cutoff=cutoff)

    def _identity(self, golden: Golden) -> Identity:
        if "identity" not in self._done:
            self._done["identity"] = self.generator.identity(self._latents(golden))
        found: Identity = self._done["identity"]
        return found

    def _seen(self, asked: re.Match[str], golden: Golden) -> Tensor:
        """What a key asks for of a rendering, in full."""
        size, is_jittered = int(asked["size"] or asked["jit"]), asked["jit"] is not None
        if (size, is_jittered) not in self._done:
            self._done[size, is_jittered] = self._rendering(size, is_jittered, golden)
        rendering: Rendering = self._done[size, is_jittered]
        if asked["what"] != "image":
            fields = {"feat": "features", "depth": "depth", "wsum": "coverage"}
            part: Tensor = getattr(rendering, fields[asked["what"]])
            return part
        if ("picture", size, is_jittered) not in self._done:
            picture = self.generator.picture(self._identity(golden), rendering)
            self._done["picture", size, is_jittered] = picture
        picture = self._done["picture", size, is_jittered]
        return picture

    def _rendering(self, size: int, is_jittered: bool, golden: Golden) -> Rendering:
        sampling: Sampling = "even"
        camera = self._given("c", golden)
        if is_jittered:
            config, batch = self.generator.config.rendering, len(camera)
            draw = np.random.Generator(np.random.PCG64(2000 + self.seed)).random
            counts = (config.num_coarse, config.num_fine)
            # Two draws in this order; a draw's own shape does not change its numbers.
            drawn = [draw((batch, size * size, count), np.float32) for count in counts]
            coarse, fine = (torch.from_numpy(numbers).to(self.device) for numbers in drawn)
            sampling = Jitter(coarse=coarse, fine=fine)
        return self.generator.render(self._identity(golden), camera, sampling=sampling, size=size)

    def _apart(self, golden: Golden) -> NDArray[Any]:
        """By how much our two implementations differ in planes, features, depth and picture.

        The file records the same of the published code's two ways of modulating.
        """
        other: Implementation = "reference" if self.implementation == "fast" else "fast"
        stacks = (self, replace(self, implementation=other, _done={}))
        pairs = [[stack._identity(golden).triplane.planes for stack in stacks]]
        for key in ("feat_64", "depth_64", "image_64"):
            found = _RENDERED.fullmatch(key)
            assert found is not None
            pairs.append([stack._seen(found, golden) for stack in stacks])
        apart = [float((one - two).abs().max()) for one, two in pairs]
        return np.asarray(apart, dtype=np.float32)


def _read(whole: Tensor, part: str | None, shape: tuple[int, ...]) -> Tensor:
    """Returns what a key holds of (B, C, H, W): every n-th pixel, or statistics by channel."""
    if part in ("mean", "std"):
        return whole.mean(dim=(2, 3)) if part == "mean" else whole.std(dim=(2, 3))
    step = int(part[1:]) if part else max(1, whole.shape[-1] // shape[-1])
    return whole[..., ::step, ::step]
