"""The phase benchmark's parts.

``tools`` knows how each installer is asked for each phase, ``measure`` runs one command and measures its process tree,
``locks`` says what a lockfile promises and ``disk`` what is there, ``session`` prepares and runs the cells, ``results``
holds the figures, ``report`` and ``plot`` show them.
"""
