"""Text classifiers: settings classes whose `build(shape)` returns a network from token ids to logits."""
