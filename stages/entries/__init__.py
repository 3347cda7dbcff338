"""Entries of the store: writing, reading and checking them, and placing their files."""
