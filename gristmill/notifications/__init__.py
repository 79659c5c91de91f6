"""Messages about runs: what is worth a message, and its delivery."""
