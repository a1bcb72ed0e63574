"""Judges an ageing prior on held-out faces with networks by others."""
