"""The face's surface: a chart of its skin, and what is carried on it from frame to frame."""
