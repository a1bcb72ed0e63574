"""EG3D: a generator of faces in three dimensions, by tri-planes and volume rendering."""
