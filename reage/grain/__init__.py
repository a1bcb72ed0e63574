"""The plate's grain: measured on the plate, and put back where a change took it away."""
