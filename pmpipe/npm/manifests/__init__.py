"""package.json files: what they say of dependencies, and how commands change them."""
