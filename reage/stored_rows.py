"""An array on disk that is read and written a row at a time, however long it is.

A memory map keeps every page that was touched, so that one of a whole shot grows into the shot;
here a map lives as long as a row is copied.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray


class StoredRows:
    """Rows of a .npy file that exists.

    Args of the constructor:
        path: Of the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self.shape: tuple[int, ...] = np.load(path, mmap_mode="r").shape

    @classmethod
    def blank(cls, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> "StoredRows":
        """Makes the file, all 0, and opens it."""
        np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
        return cls(path)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Returns a copy of a row."""
        return np.array(np.load(self._path, mmap_mode="r")[row])

    def __setitem__(self, row: int, values: NDArray[Any]) -> None:
        """Writes a row, which is in the file at once."""
        stored = np.load(self._path, mmap_mode="r+")
        stored[row] = values
        stored.flush()

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))
