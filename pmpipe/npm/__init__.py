"""npm's vocabulary: pure modules without I/O."""

#: The npm whose behaviour is followed: for packages and scripts that ask for one.
NPM_VERSION = "11.19.1"
