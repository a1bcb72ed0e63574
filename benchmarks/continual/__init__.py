"""Nightly updates compared: what each way of choosing a buffer remembers. See __main__.py."""
