"""What good and bad nightly updates do to the figures that a gate looks at. See __main__.py."""
