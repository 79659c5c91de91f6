"""What every classifier shares, whatever it looks at: parts drawn class by class, losses, scores, their report."""
