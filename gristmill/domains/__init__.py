"""Domains, with one package per domain.

A stage is a function with the name of its module. It takes tables of the pipeline's settings and artifact folders by
the name of the stage that wrote them, writes its own artifact to the folder `out`, and returns counts for the run
record. `schema` holds the rules that ingested data must meet, `files` a file of weights, or that of the user's own
model, followed by those that it imports.
"""
