"""What the resolver's tests share."""

from pmpipe.resolver import Project, Resolver

# a resolver raises the limit on recursion for good, and hypothesis warns where that happens in the middle of a test
Resolver(Project("/project", {}))
