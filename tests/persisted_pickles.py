"""Pickles of whole modules, made as the StyleGAN family's training loop makes them.

Modules of the family reduce to a function's name, their source code and their state; a few others
are pickled as Python does it.
"""

import pickle
import sys
import types

import numpy as np
import torch
from torch import nn

BUFFERS = ("resample_filter", "noise_const", "w_avg", "dataset_label_std")
_PLAIN = {
    "OSGDecoder": "training.triplane",
    "ImportanceRenderer": "training.volumetric_rendering.renderer",
    "RaySampler": "training.volumetric_rendering.ray_sampler",
    "MipRayMarcher2": "training.volumetric_rendering.ray_marcher",
}


class _Persistent(nn.Module):
    source = "raise AssertionError('executed')"

    def __reduce__(self):
        meta = {
            "type": "class", "version": 6, "module_src": self.source,
            "class_name": "TriPlaneGenerator", "state": self.__dict__,
        }  # fmt: skip
        return sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj, (meta,)


class Family:
    """The family's packages, importable while a file is written."""

    def __init__(self, monkeypatch):
        self.classes = {}
        names = {"torch_utils.persistence", "dnnlib.util", *_PLAIN.values()}
        for name in sorted(names):
            for part in (name.split(".")[0], name.rpartition(".")[0], name):
                monkeypatch.setitem(
                    sys.modules, part, sys.modules.get(part) or types.ModuleType(part)
                )
        for name, module in _PLAIN.items():
            self._define(type(name, (nn.Module,), {"__module__": module}), module)
        self._define(type("EasyDict", (dict,), {"__module__": "dnnlib.util"}), "dnnlib.util")

        def _reconstruct_persistent_obj(meta):
            raise AssertionError("executed")

        function = _reconstruct_persistent_obj
        function.__module__, function.__qualname__ = "torch_utils.persistence", function.__name__
        sys.modules["torch_utils.persistence"]._reconstruct_persistent_obj = function

    def _define(self, kind, module):
        setattr(sys.modules[module], kind.__name__, kind)
        self.classes[kind.__name__] = kind

    def generator(self, state):
        """A tri-plane generator's modules with these tensors, and what else they carry."""
        root = _Persistent()
        for key, value in state.items():
            node = root
            *path, leaf = key.split(".")
            for index, name in enumerate(path):
                if name not in node._modules:
                    node.add_module(name, self._module(path[: index + 1]))
                node = node.get_submodule(name)
            if leaf in BUFFERS:
                node.register_buffer(leaf, value)
            else:
                node.register_parameter(leaf, nn.Parameter(value, requires_grad=False))
        root.add_module("renderer", self.classes["ImportanceRenderer"]())
        root.renderer.add_module("ray_marcher", self.classes["MipRayMarcher2"]())
        root.renderer.plane_axes = torch.eye(3).repeat(3, 1, 1)
        root.add_module("ray_sampler", self.classes["RaySampler"]())
        root.register_buffer("passing", torch.zeros(2), persistent=False)
        root.register_parameter("absent", None)
        root.rendering_kwargs = self.classes["EasyDict"](depth_resolution=48, ray_end=3.3)
        root.neural_rendering_resolution = np.int64(128)
        return root

    def _module(self, path):
        if path == ["decoder"]:
            return self.classes["OSGDecoder"]()
        if path == ["decoder", "net"]:
            net = nn.Sequential(_Persistent(), nn.Softplus())
            return net
        return _Persistent()

    def write(self, path, state, **others):
        """Writes a file with the generator as all three networks."""
        generator = self.generator(state)
        networks = {"G": generator, "D": _Persistent(), "G_ema": generator}
        content = {**networks, "training_set_kwargs": {}, "augment_pipe": None, **others}
        path.write_bytes(pickle.dumps(content))
        return path
