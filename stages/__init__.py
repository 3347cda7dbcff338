"""The pipeline's stages: one kind of worker process per file, and what crosses the queues between them."""
