"""Killing pmpipe at random instants.

``ground`` prepares the project, its store, and the trees that runs start from; ``processes`` runs and kills process
groups; ``evidence`` says what a kill left on the disk; ``trial`` is one pass: kill, run again, judge.
"""
