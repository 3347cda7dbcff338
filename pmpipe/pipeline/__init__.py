"""The stages of a run: how many processes each has, what drives them, and how their failures are told."""
