"""The line between two states of a network, and where on it the network is."""
