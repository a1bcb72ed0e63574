"""Judges how a re-aged shot holds from frame to frame: `make bench-video`."""
