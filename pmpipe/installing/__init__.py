"""One install around its pipeline: what is done before it, all or nothing, and what is told at the end."""
