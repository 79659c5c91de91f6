"""Export formats, the bundle, and the proof that every format predicts what was scored."""
