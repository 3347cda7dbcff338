"""npm's vocabulary: pure modules without I/O."""
