"""Next-token networks: settings classes whose `build(shape)` returns a network from token ids to logits."""
