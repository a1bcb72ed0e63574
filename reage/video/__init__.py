"""Plates in, pictures and movies out: the one door to FFmpeg (PyAV), OpenEXR through its own."""

from reage.video.digest import plate_digest
from reage.video.exr_sequence import ExrWriter
from reage.video.formats import available_formats
from reage.video.info import PlateInfo
from reage.video.probe import probe
from reage.video.reader import read_frames
from reage.video.tags import ColourTags
from reage.video.writer import FrameWriter, open_writer

__all__ = [
    "ColourTags",
    "ExrWriter",
    "FrameWriter",
    "PlateInfo",
    "available_formats",
    "open_writer",
    "plate_digest",
    "probe",
    "read_frames",
]
