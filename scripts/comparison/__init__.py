"""Comparing what two installers make of one project.

``snapshot`` reads a tree, ``difference`` says where two trees differ, ``hidden`` explains two hidden lockfiles,
``installers`` runs npm and pmpipe, ``report`` holds and words the outcome.
"""
