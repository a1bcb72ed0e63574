"""Imports published weights, on this machine and at once: no steps, so no Prefect flow."""

from tasks.weights import import_weights

__all__ = ["import_weights"]
