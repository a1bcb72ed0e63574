"""Reading a recipe from a file, so that what is amiss with it is one sentence.

Holds no task: it is what tasks share that train by a recipe.
"""

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from reage.errors import ManifestError, StorageError

RecipeT = TypeVar("RecipeT")


def read_recipe_file(path: Path, load: Callable[[Path], RecipeT]) -> RecipeT:
    """Reads a recipe.

    Args:
        path: Of a JSON file.
        load: Reads it; raises ValueError with the file's name where it is no recipe.

    Raises:
        StorageError: The file cannot be read.
        ManifestError: It is no JSON object, or has a key or value that no recipe has.
    """
    try:
        return load(path)
    except OSError as error:
        raise StorageError(
            f"{path}: recipe: got {error.strerror}, expected a file that can be read"
        ) from error
    except ValueError as error:
        raise ManifestError(str(error)) from error
