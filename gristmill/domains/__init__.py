"""Domains, with one package for each and one for what they share."""
