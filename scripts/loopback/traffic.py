"""What went over the wire between the tools and the replayed registry."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Traffic:
    """Requests and bytes as the server counts them: HTTP heads and bodies, without TCP's own.

    Attributes:
        received_bytes: what the tools sent (their tx).
        sent_bytes: what the tools got (their rx).
        misses: paths that were answered with 404.
    """

    requests: int = 0
    received_bytes: int = 0
    sent_bytes: int = 0
    misses: frozenset[str] = frozenset()

    def plus(self, other: Traffic) -> Traffic:
        """Both together."""
        return Traffic(
            self.requests + other.requests,
            self.received_bytes + other.received_bytes,
            self.sent_bytes + other.sent_bytes,
            self.misses | other.misses,
        )

    def since(self, earlier: Traffic) -> Traffic:
        """What was added after an earlier reading of the same server; misses only if they are new."""
        return Traffic(
            self.requests - earlier.requests,
            self.received_bytes - earlier.received_bytes,
            self.sent_bytes - earlier.sent_bytes,
            self.misses - earlier.misses,
        )
