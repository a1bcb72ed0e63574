"""Ageing networks: encoder, adapter, and the priors made of them."""
