"""What registries say of packages, and which version of one is meant."""
