"""Training of networks: fit, checkpoints, learning rate, distribution and saved networks."""
