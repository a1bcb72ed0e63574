"""Holds the layers and the doors by reading every import in the tree."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("flows", "models", "reage", "studio", "tasks")

# importer -> packages of ours that it may import besides itself
LAYERS = {
    "models": set(),
    "reage": set(),
    "tasks": {"models", "reage"},
    "flows": {"tasks", "reage"},
    "studio": {"flows", "reage"},
}

# third-party package -> where it may be imported, as path prefixes
DOORS = {
    "prefect": ("flows/", "tasks/", "studio/"),
    "torch": ("models/", "tasks/"),
    "safetensors": ("models/",),
    "av": ("reage/video/",),
    "OpenEXR": ("reage/exr.py",),
    "PyOpenColorIO": ("reage/colour_config.py",),
    "opentimelineio": ("reage/timeline.py",),
    "boto3": ("reage/storage",),
    "botocore": ("reage/storage",),
    "yaml": ("reage/manifest/yaml_document.py",),
    "mediapipe": ("reage/faces.py", "reage/hands.py"),
    "typer": ("studio/",),
    "skimage": ("studio/",),
    "jinja2": ("reage/pages.py",),
}

# folder of models/ -> other folders or modules of models/ it may import
MODEL_ORDER = {
    "shapes": set(),
    "published_file": set(),
    "persisted_modules": {"published_file"},
    "ops": {"shapes"},
    "stylegan2": {"shapes", "ops"},
    "eg3d": {"shapes", "published_file", "ops", "stylegan2"},
    "lora": {"shapes", "published_file", "ops"},
    "face": {"shapes", "ops"},
    "ageing": {"shapes", "published_file", "ops", "stylegan2", "face"},
    "published": {
        "published_file",
        "persisted_modules",
        "ops",
        "stylegan2",
        "eg3d",
        "face",
        "ageing",
    },
    "losses": {"shapes", "ops"},
    "landscape": set(),
    "face3d": {
        "shapes",
        "published_file",
        "ops",
        "stylegan2",
        "eg3d",
        "lora",
        "face",
        "ageing",
        "continual",
    },
    "continual": {
        "shapes",
        "published_file",
        "losses",
        "training",
        "ops",
        "stylegan2",
        "lora",
        "face",
        "ageing",
    },
}

FORBIDDEN_NAMES = {"utils", "common", "helpers", "misc", "base", "manager"}


def _sources() -> list[Path]:
    return sorted(p for package in PACKAGES for p in (ROOT / package).rglob("*.py"))


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path.relative_to(ROOT)}:{node.lineno}: relative import"
            yield node.lineno, node.module or ""
            for alias in node.names:
                yield node.lineno, f"{node.module}.{alias.name}"


def test_layers_import_only_what_lies_below_them():
    broken = []
    for path in _sources():
        relative = path.relative_to(ROOT)
        layer = relative.parts[0]
        for line, name in _imports(path):
            target = name.split(".")[0]
            if target in PACKAGES and target != layer and target not in LAYERS[layer]:
                broken.append(f"{relative}:{line}: {layer} imports {name}")
    assert not broken, "\n".join(broken)


def test_modules_that_hold_tasks_import_no_other_that_does():
    shared = {
        "refs", "gpu", "crops", "outputs", "retries", "fetching", "adapter_training", "portraits",
        "photo_set", "gathering", "latent_lesson", "training_watch", "prior_preview",
        "strength", "critics", "states",
        "prior_figures", "prior_card", "increment_refs", "remembered_faces", "adapter_pictures",
        "face_surface", "face3d_refs", "face3d_anchors", "turned_views", "turning_sheet",
        "face3d_looks", "face3d_prior_card", "personal_models", "labelled_reading", "holdouts",
        "own_mattes", "age_course", "package_refs", "prior_discriminators", "prior_game",
        "face3d_terms", "face3d_loop", "prior_recognition", "prior_onlookers", "prior_start",
        "recipe_files",
    }  # fmt: skip
    for name in shared:
        assert "@task" not in (ROOT / "tasks" / f"{name}.py").read_text()
    broken = []
    for path in (ROOT / "tasks").rglob("*.py"):
        for line, name in _imports(path):
            parts = name.split(".")
            if parts[0] == "tasks" and len(parts) > 1 and parts[1] not in shared:
                broken.append(f"{path.relative_to(ROOT)}:{line}: imports {name}")
    assert not broken, "\n".join(broken)


@pytest.mark.parametrize("package", sorted(DOORS))
def test_third_party_package_is_imported_behind_its_door_only(package):
    broken = []
    for path in _sources():
        relative = path.relative_to(ROOT).as_posix()
        if relative.startswith(DOORS[package]):
            continue
        for line, name in _imports(path):
            if name.split(".")[0] == package:
                broken.append(f"{relative}:{line}: imports {name}; the door is {DOORS[package]}")
    assert not broken, "\n".join(broken)


def test_model_folders_import_only_what_comes_before_them():
    broken = []
    for path in (ROOT / "models").rglob("*.py"):
        relative = path.relative_to(ROOT / "models")
        importer = relative.parts[0].removesuffix(".py")
        if importer not in MODEL_ORDER:
            continue
        for line, name in _imports(path):
            parts = name.split(".")
            ours = parts[0] == "models" and len(parts) > 1 and parts[1] != importer
            if ours and parts[1] not in MODEL_ORDER[importer]:
                broken.append(f"models/{relative}:{line}: {importer} imports {name}")
    assert not broken, "\n".join(broken)


def test_no_module_bears_a_name_that_says_nothing():
    named = [p for p in _sources() if p.stem in FORBIDDEN_NAMES or p.parent.name in FORBIDDEN_NAMES]
    assert not named


def test_no_flow_file_shadows_a_package():
    import sys

    shadowing = {p.stem for p in (ROOT / "flows").glob("*.py")} & (
        set(PACKAGES) | set(sys.stdlib_module_names)
    )
    assert not shadowing, "Prefect puts flows/ first on sys.path"


def test_every_entrypoint_of_prefect_yaml_exists():
    text = (ROOT / "prefect.yaml").read_text()
    entrypoints = re.findall(r"entrypoint: (\S+):(\w+)", text)
    assert entrypoints
    for file, function in entrypoints:
        tree = ast.parse((ROOT / file).read_text())
        assert function in {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}, file
