"""Specs: what a dependency's text asks for."""
