"""``python -m pmpipe`` is the same as ``pmpipe``."""

from pmpipe.cli.main import entry

entry()
