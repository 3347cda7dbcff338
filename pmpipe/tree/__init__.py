"""Trees of packages: the one that is wanted, and the one that stands in node_modules."""
