"""A first `pipelines.toml` from a look at the data: what is seen, what is guessed from it, how it is written.

One module a domain looks and proposes (`propose`): with the project's own sources and stages, so that what it proposes
is what a run takes.
"""
