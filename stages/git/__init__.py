"""Packages from git, by the ``git`` command."""
