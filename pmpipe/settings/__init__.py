"""What a run is told: flags, environment and .npmrc files, with npm's names and precedence."""
