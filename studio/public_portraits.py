"""Two portraits in the public domain that ship inside wheels: for actors who do not exist."""

from pathlib import Path

import skimage.data
from matplotlib.cbook import get_sample_data
from PIL import Image


def save_public_portraits(folder: Path) -> tuple[Path, Path]:
    """Writes the astronaut Eileen Collins (NASA) and Grace Hopper (US Navy) as PNG."""
    folder.mkdir(parents=True, exist_ok=True)
    astronaut, admiral = folder / "astronaut.png", folder / "admiral.png"
    Image.fromarray(skimage.data.astronaut()).save(astronaut)
    with Image.open(get_sample_data("grace_hopper.jpg", asfileobj=False)) as picture:
        picture.convert("RGB").save(admiral)
    return astronaut, admiral
