"""My3DGen's comparison: how a tri-plane generator is made one person's, by how many numbers."""
