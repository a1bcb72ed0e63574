"""A personal face in three dimensions: the prior that turns a photograph into a tri-plane face."""
