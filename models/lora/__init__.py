"""Low-rank weights that make a generator one person's, for generators of any kind."""
