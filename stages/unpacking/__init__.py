"""From a tarball's bytes to the files of a package."""
