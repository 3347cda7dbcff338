"""The outcome of a whole run, as Markdown and as a JSON document."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from lockcheck.difference import LockComparison
from lockcheck.oracle import Opinion


@dataclass(frozen=True, slots=True)
class Opinions:
    """What npm says of its own lock of a project, and of pmpipe's."""

    of_npm: Opinion
    of_pmpipe: Opinion

    @property
    def agree(self) -> bool:
        """Whether npm takes pmpipe's lock as it takes its own."""
        return self.of_npm == self.of_pmpipe


@dataclass(slots=True)
class Report:
    """Everything that was compared.

    Attributes:
        title: of the Markdown text.
        npm_version: of the npm that was asked.
        comparisons: by project.
        opinions: by project, where npm was asked.
        skipped: projects that could not be read, and why.
    """

    title: str
    npm_version: str
    comparisons: list[LockComparison] = field(default_factory=list)
    opinions: dict[str, Opinions] = field(default_factory=dict)
    skipped: dict[str, str] = field(default_factory=dict)

    @property
    def is_equal(self) -> bool:
        """Whether there is nothing to explain."""
        return (
            bool(self.comparisons)
            and not self.skipped
            and all(one.is_equal for one in self.comparisons)
            and all(one.agree for one in self.opinions.values())
        )

    def totals(self) -> dict[str, Any]:
        """The figures that matter."""
        return {
            "projects": len(self.comparisons),
            "identical": sum(one.is_equal for one in self.comparisons),
            "entries": sum(one.entries for one in self.comparisons),
            "alike": sum(one.alike for one in self.comparisons),
            "extra": sum(entry.kind == "extra" for one in self.comparisons for entry in one.differences),
            "asked": len(self.opinions),
            "agreed": sum(one.agree for one in self.opinions.values()),
            "kept": sum(one.of_pmpipe.keeps for one in self.opinions.values()),
            "keptOfNpm": sum(one.of_npm.keeps for one in self.opinions.values()),
        }

    def document(self) -> dict[str, Any]:
        """All of it, for ``--json``."""
        return {
            "npm": self.npm_version,
            "equal": self.is_equal,
            "totals": self.totals(),
            "skipped": self.skipped,
            "projects": [self._project(one) for one in self.comparisons],
        }

    def markdown(self, shown: int) -> str:
        """The same for a person, with at most so many differences of each project."""
        lines = [
            f"# {self.title}",
            "",
            self._verdict(),
            "",
            "| project | entries | changed | identical | differing | npm s | pmpipe s | npm ci, ls, install |",
            "|---|---:|---:|---|---:|---:|---:|---|",
            *(self._row(one) for one in self.comparisons),
        ]
        if self.opinions:
            lines += ["", self._verdict_on_opinions()]
        lines += [f"\nskipped: {name}: {why}" for name, why in self.skipped.items()]
        for one in self.comparisons:
            lines += self._details(one, shown)
        return "\n".join(lines) + "\n"

    def _verdict(self) -> str:
        totals = self.totals()
        share = 100 * totals["alike"] / totals["entries"] if totals["entries"] else 100.0
        return (
            f"npm {self.npm_version}: {totals['identical']} of {totals['projects']} locks are identical; "
            f"{totals['alike']:,} of {totals['entries']:,} entries ({share:.2f} %), {totals['extra']:,} extra"
        )

    def _verdict_on_opinions(self) -> str:
        totals = self.totals()
        return (
            f"npm was asked about {totals['asked']} locks: in {totals['agreed']} cases it says of pmpipe's what it "
            f"says of its own; `npm install` keeps {totals['kept']} of pmpipe's and {totals['keptOfNpm']} of its own"
        )

    def _row(self, one: LockComparison) -> str:
        outcome = "yes" if one.is_equal else "NO"
        if one.npm.code or one.pmpipe.code:
            outcome += f" ({one.npm.code or 'a lock'} / {one.pmpipe.code or 'a lock'})"
        opinions = self.opinions.get(one.name)
        changed = "" if one.changed < 0 else f"{one.changed:,}"
        times = f"{one.npm.seconds:.1f} | {one.pmpipe.seconds:.1f}"
        return (
            f"| {one.name} | {one.entries:,} | {changed} | {outcome} | {len(one.differences):,} | {times} | "
            f"{_opinion(opinions)} |"
        )

    def _details(self, one: LockComparison, shown: int) -> Iterator[str]:
        if not one.is_equal:
            yield f"\n## {one.name}\n"
            yield from (f"- {entry.kind}: `{entry.location}`: {entry.detail}" for entry in one.differences[:shown])
            if len(one.differences) > shown:
                yield f"- … {len(one.differences) - shown:,} more"
            if not one.differences and one.npm.lock and one.pmpipe.lock:
                yield "- the same entries in other bytes"
            for who, answer in (("npm", one.npm), ("pmpipe", one.pmpipe)):
                if answer.code:
                    yield f"\n{who}: {answer.code}\n\n```\n{answer.said.strip()}\n```"

    def _project(self, one: LockComparison) -> dict[str, Any]:
        opinions = self.opinions.get(one.name)
        return {
            "name": one.name,
            "equal": one.is_equal,
            "entries": one.entries,
            "changed": one.changed,
            "codes": [one.npm.code, one.pmpipe.code],
            "seconds": [round(one.npm.seconds, 2), round(one.pmpipe.seconds, 3)],
            "differences": [
                {"location": entry.location, "kind": entry.kind, "detail": entry.detail} for entry in one.differences
            ],
            "opinions": None
            if opinions is None
            else {
                "ci": [opinions.of_npm.ci_status, opinions.of_pmpipe.ci_status],
                "ls": [opinions.of_npm.ls_status, opinions.of_pmpipe.ls_status],
                "sameLs": opinions.of_npm.ls_output == opinions.of_pmpipe.ls_output,
                "keeps": [opinions.of_npm.keeps, opinions.of_pmpipe.keeps],
            },
        }


def _opinion(opinions: Opinions | None) -> str:
    if opinions is None:
        return ""
    of_npm, of_pmpipe = opinions.of_npm, opinions.of_pmpipe
    words = []
    for what, theirs, ours in (
        ("ci", of_npm.ci_status, of_pmpipe.ci_status),
        ("ls", of_npm.ls_status, of_pmpipe.ls_status),
    ):
        words.append(f"{what} {ours}" if ours == theirs else f"{what} {ours} INSTEAD OF {theirs}")
    if of_npm.ls_output != of_pmpipe.ls_output:
        words.append("OTHER ls OUTPUT")
    kept = {True: "kept", False: "changed"}
    words.append(
        kept[of_pmpipe.keeps] if of_npm.keeps == of_pmpipe.keeps else f"{kept[of_pmpipe.keeps]} (npm's own is not)"
    )
    return ", ".join(words)


def summary(reports: Sequence[Report]) -> str:
    """One line for each report."""
    return "\n".join(
        f"{report.title}: {report.totals()['identical']} of {report.totals()['projects']} identical"
        for report in reports
    )
