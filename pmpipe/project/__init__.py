"""A project's own files: finding, reading, checking and writing package.json files and locks."""
