"""The commands, one file per command group: the only place that prints or exits."""
