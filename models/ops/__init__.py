"""Tensor operations that networks share; the costly ones have a reference and a fast twin."""
