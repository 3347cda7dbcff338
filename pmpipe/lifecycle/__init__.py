"""Lifecycle scripts: which may run, in which order, with what environment, and what becomes of a failure.

`gate` decides, `building` runs those of packages and linked folders by the script stage (`stages.script`), `own` those
of the project itself, and `unrun` keeps which have not run yet. `review` is about deciding, `rebuild` about running
them once more.
"""
