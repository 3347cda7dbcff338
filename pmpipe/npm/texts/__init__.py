"""Texts of all kinds: JSON, patterns, diffs, and how JavaScript would have them."""
