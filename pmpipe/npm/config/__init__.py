"""npm's settings: names, types, files, and what follows from them for a request."""
