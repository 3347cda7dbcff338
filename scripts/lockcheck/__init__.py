"""Comparing the lockfiles that npm and pmpipe make of the same projects, on one registry.

``projects`` reads a corpus and writes its projects to the disk, ``published`` reads packages that a registry has,
``oracle`` asks npm, ``resolving`` asks pmpipe, ``provider`` answers pmpipe's resolver from a recording, ``difference``
says where two locks differ, ``mutations`` changes a project whose lock is there already, ``report`` words the outcome.
"""
