"""Whether an OpenEXR file is all there, told from its header and chunk table in a few reads.

OpenEXR itself notices a file cut short only while decoding it, in a line of output for every chunk
that is gone. Source: OpenEXR file layout, openexr.com/en/latest/OpenEXRFileLayout.html.
"""

import struct
from pathlib import Path
from typing import BinaryIO

_MAGIC = 20000630
_TILED, _DEEP, _MULTI_PART = 0x200, 0x800, 0x1000
# Rows a chunk by the number of the compression: none, RLE, ZIPS, ZIP, PIZ, PXR24, B44, B44A, DWAA,
# DWAB.
_ROWS_A_CHUNK = (1, 1, 1, 16, 32, 16, 32, 32, 32, 256)

_Header = dict[str, bytes]


def whats_wrong(path: Path) -> str | None:
    """Returns what is amiss with a file, in words that follow `got`, or None.

    Tiled files of one part and deep ones are taken as they are.

    Raises:
        OSError: The file cannot be read.
    """
    with path.open("rb") as file:
        file_bytes = path.stat().st_size
        if file_bytes == 0:
            return "an empty file (0 bytes)"
        try:
            return _check(file, file_bytes)
        except (struct.error, IndexError):
            return f"a file that ends in its header ({file_bytes} bytes)"


def _check(file: BinaryIO, file_bytes: int) -> str | None:
    magic, version = _unpack(file, "<II")
    if magic != _MAGIC:
        return "a file of another kind"
    is_multi_part, is_tiled = bool(version & _MULTI_PART), bool(version & _TILED)
    headers = [_read_header(file)]
    while is_multi_part and headers[-1]:
        headers.append(_read_header(file))
    parts = [header for header in headers if header]
    if version & _DEEP or is_tiled or any(b"deep" in part.get("type", b"") for part in parts):
        return None
    counts = [_num_chunks(part) for part in parts]
    if None in counts:
        return None
    offsets = [o for count in counts for o in _unpack(file, f"<{count}Q")]
    if not all(offsets):
        return f"{sum(o > 0 for o in offsets)} of {len(offsets)} parts of the picture"
    is_tile = any(b"tiled" in part.get("type", b"") for part in parts)
    leader = (4 if is_multi_part else 0) + (16 if is_tile else 4)
    last = max(offsets)
    file.seek(last + leader)
    size = file.read(4)
    end = last + leader + 4 + (struct.unpack("<i", size)[0] if len(size) == 4 else 0)
    return None if len(size) == 4 and end <= file_bytes else f"only {file_bytes} bytes of it"


def _read_header(file: BinaryIO) -> _Header:
    """Reads the attributes of one part; empty at the end of a multi-part file's headers."""
    header: _Header = {}
    while name := _read_text(file):
        _read_text(file)
        (size,) = _unpack(file, "<i")
        value = file.read(max(size, 0))
        if len(value) < size:
            raise IndexError
        header[name] = value
    return header


def _read_text(file: BinaryIO) -> str:
    letters = bytearray()
    while (letter := file.read(1)) != b"\0":
        if not letter or len(letters) > 255:
            raise IndexError
        letters += letter
    return letters.decode("latin-1")


def _num_chunks(header: _Header) -> int | None:
    """Returns how many chunks a part has; None where this reader cannot tell."""
    if "chunkCount" in header:
        return int(struct.unpack("<i", header["chunkCount"])[0])
    compression = header["compression"][0] if header.get("compression") else len(_ROWS_A_CHUNK)
    if compression >= len(_ROWS_A_CHUNK) or len(header.get("dataWindow", b"")) != 16:
        return None
    _, top, _, bottom = struct.unpack("<4i", header["dataWindow"])
    return -(-(bottom - top + 1) // _ROWS_A_CHUNK[compression])


def _unpack(file: BinaryIO, form: str) -> tuple[int, ...]:
    return struct.unpack(form, file.read(struct.calcsize(form)))
