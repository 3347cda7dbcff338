"""What other package managers heed in a project, as far as whoever comes from there has to be told."""
