"""What a studio keeps for good: priors, published weights and adapters, never changed."""
