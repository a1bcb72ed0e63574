"""A head in space: where a photograph was taken from, and a surface to turn it on."""
