"""Generation: plain texts in, a tested network that goes on writing out."""
