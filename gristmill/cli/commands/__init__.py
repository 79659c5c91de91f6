"""Commands of the command line, by subject.

Their functions import what they need: completion in a shell only reads signatures.
"""
