"""Networks that tell the next token, one file a kind: token ids (batch, length) to logits."""
