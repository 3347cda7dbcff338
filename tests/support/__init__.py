"""Helpers that tests share: packages made on the spot, and a registry that serves them."""
