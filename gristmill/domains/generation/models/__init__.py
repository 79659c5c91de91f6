"""Next-token models, from token ids to logits: settings classes that `build` an untrained network or `fit` one."""
