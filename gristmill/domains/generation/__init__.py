"""Generation: plain texts in, a tested network that continues a text out."""
