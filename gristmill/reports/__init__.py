"""Views of what was run: pages of one look, and what a notebook's cell shows. None of them is an artifact."""
