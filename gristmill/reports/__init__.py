"""Reports of runs: HTML pages in one style, and the output of notebook cells. None of them is an artifact."""
