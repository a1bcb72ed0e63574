"""What is in front of a face: hands, hair, microphones, by how the skin looks over a take."""
