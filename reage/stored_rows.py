"""An array on disk that is read and written a row at a time, however long it is.

A memory map keeps every page that was touched, so that one of a whole shot grows into the shot; and
where the disk is full, writing to one kills the process instead of raising OSError.
"""

import math
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
        mapped = np.load(path, mmap_mode="r")
        self.shape: tuple[int, ...] = mapped.shape
        self._path, self._dtype, self._offset = path, mapped.dtype, mapped.offset

    @classmethod
    def blank(cls, path: Path, shape: tuple[int, ...], dtype: DTypeLike) -> "StoredRows":
        """Makes the file, all 0, and opens it."""
        np.lib.format.open_memmap(path, "w+", np.dtype(dtype), shape)
        return cls(path)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, row: int) -> NDArray[Any]:
        """Reads a row.

        Raises:
            IndexError: There is none of that number.
        """
        place, size = self._place(row), math.prod(self.shape[1:])
        return np.fromfile(self._path, self._dtype, size, offset=place).reshape(self.shape[1:])

    def __setitem__(self, row: int, values: NDArray[Any]) -> None:
        """Writes a row.

        Raises:
            IndexError: There is none of that number.
            OSError: The disk is full.
        """
        laid = np.empty(self.shape[1:], self._dtype)
        laid[...] = values
        with self._path.open("r+b") as file:
            file.seek(self._place(row))
            file.write(laid.tobytes())

    def __iter__(self) -> Iterator[NDArray[Any]]:
        return (self[row] for row in range(len(self)))

    def _place(self, row: int) -> int:
        if not 0 <= row < len(self):
            raise IndexError(f"{self._path.name}: row: got {row}, expected 0 to {len(self) - 1}")
        return self._offset + row * math.prod(self.shape[1:]) * self._dtype.itemsize
