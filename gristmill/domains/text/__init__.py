"""Text: labelled texts in, a tested classifier of raw strings out."""
