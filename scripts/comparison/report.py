"""The outcome of one comparison, as text and as a JSON document."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from comparison.difference import Finding, count
from comparison.hidden import HiddenComparison
from comparison.installers import Verdict
from comparison.snapshot import Kind, Snapshot


@dataclass(slots=True)
class Comparison:
    """What npm and pmpipe made of one project.

    Attributes:
        project: the folder's name.
        lock_entries: entries of the lockfile, without the root's.
        npm_command: ``ci`` or ``install``.
        npm_s, pmpipe_s: seconds that each install took.
        findings: every path where the trees differ.
        hidden: the two hidden lockfiles.
        npm_of_npm, npm_of_pmpipe: what npm says of each tree.
        paths: number of paths by kind in npm's tree.
        bytes: all of its files' sizes.
    """

    project: str
    lock_entries: int
    npm_command: str
    npm_s: float
    pmpipe_s: float
    findings: list[Finding]
    hidden: HiddenComparison
    npm_of_npm: Verdict = field(default_factory=lambda: Verdict(0, "", 0))
    npm_of_pmpipe: Verdict = field(default_factory=lambda: Verdict(0, "", 0))
    paths: dict[Kind, int] = field(default_factory=dict)
    bytes: int = 0

    def count(self, tree: Snapshot) -> None:
        """Take the figures of npm's tree."""
        self.paths = {kind: sum(item.kind is kind for item in tree.values()) for kind in Kind}
        self.bytes = sum(item.bytes for item in tree.values())

    def is_equal(self) -> bool:
        """The trees are equal, the hidden lockfiles say the same, and npm makes no difference between the trees."""
        return not self.findings and self.hidden.same_meaning and self.npm_of_npm == self.npm_of_pmpipe

    def document(self) -> dict[str, Any]:
        """Everything, for ``--json``."""
        return {
            "project": self.project,
            "equal": self.is_equal(),
            "lockEntries": self.lock_entries,
            "npmCommand": self.npm_command,
            "seconds": {"npm": round(self.npm_s, 2), "pmpipe": round(self.pmpipe_s, 2)},
            "paths": {kind.value: number for kind, number in self.paths.items()},
            "bytes": self.bytes,
            "differences": count(self.findings),
            "findings": [
                {"path": one.path, "difference": one.difference, "detail": one.detail} for one in self.findings
            ],
            "hiddenLockfile": {
                "sameBytes": self.hidden.same_bytes,
                "sameMeaning": self.hidden.same_meaning,
                "differences": list(self.hidden.differences),
            },
            "npmLs": {
                "status": [self.npm_of_npm.ls_status, self.npm_of_pmpipe.ls_status],
                "sameOutput": self.npm_of_npm.ls_output == self.npm_of_pmpipe.ls_output,
            },
            "npmInstallWouldDo": [self.npm_of_npm.to_do, self.npm_of_pmpipe.to_do],
        }

    def text(self, shown: int) -> str:
        """The same for a person, with at most so many findings of each sort."""
        kinds = ", ".join(f"{number:,} {kind.value}s" for kind, number in self.paths.items() if number)
        ours, theirs = self.npm_of_pmpipe, self.npm_of_npm
        same = "the same" if ours.ls_output == theirs.ls_output else "another"
        lines = [
            f"{self.project}: {self.lock_entries:,} lock entries; {kinds}; {self.bytes / 1e6:,.1f} MB",
            f"npm {self.npm_command}: {self.npm_s:.1f} s, pmpipe ci: {self.pmpipe_s:.1f} s",
            "differences: " + ", ".join(f"{name} {number:,}" for name, number in count(self.findings).items()),
            *(f"  {one.difference}: {one.path}: {one.detail}" for one in self.findings[:shown]),
            "hidden lockfile: "
            + ("same bytes" if self.hidden.same_bytes else "same meaning" if self.hidden.same_meaning else "differs"),
            *(f"  {line}" for line in self.hidden.differences[:shown]),
            f"npm ls --all: status {theirs.ls_status} on npm's tree, {ours.ls_status} on pmpipe's, {same} output",
            f"npm install would change: {_number(theirs.to_do)} in npm's tree, {_number(ours.to_do)} in pmpipe's",
            "equal" if self.is_equal() else "NOT EQUAL",
        ]
        return "\n".join(lines)


def _number(to_do: int | None) -> str:
    return "(failed)" if to_do is None else f"{to_do:,} packages"
