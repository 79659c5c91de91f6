"""Code that several domains share."""
