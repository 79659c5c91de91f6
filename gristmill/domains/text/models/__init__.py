"""Classifiers of texts, one file a kind. Each builds a network on token ids, (batch, length) to logits."""
