"""Learning a person in increments without forgetting the earlier ones: experience replay."""
