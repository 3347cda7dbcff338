"""Lockfiles: reading them, writing them, and what they say."""
