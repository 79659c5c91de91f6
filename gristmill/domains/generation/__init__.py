"""Generation: train and test a network on plain texts to continue a text."""
