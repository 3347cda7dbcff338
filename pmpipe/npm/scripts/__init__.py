"""Lifecycle scripts: which there are, what they are told, and which may run."""
