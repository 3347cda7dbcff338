"""Asks npm for the outcome of every case and writes it into the case: ``python tests/resolver/record_cases.py``."""

from __future__ import annotations

import json
import sys
import tempfile
from pathlib import Path

TESTS = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS.parent / "scripts"), str(TESTS.parent), str(TESTS / "resolver")]

from playing import CASES, ask_npm, load_cases, summary  # noqa: E402
from support.registry import PackageRegistry  # noqa: E402


def main() -> None:
    """Record all cases, or those whose names are given."""
    for name, case in load_cases():
        if "npm_fails" in case or (sys.argv[1:] and name not in sys.argv[1:]):
            continue
        with tempfile.TemporaryDirectory() as folder, PackageRegistry() as registry:
            project = Path(folder, "project")
            project.mkdir()
            code, lock = ask_npm(case, registry, project)
        case.pop("tree", None)
        case.pop("error", None)
        if code:
            case["error"] = code
        else:
            case["tree"] = summary(lock)
        (CASES / f"{name}.json").write_text(json.dumps(case, indent=2) + "\n")
        print(name, code or f"{len(case['tree'])} places")


if __name__ == "__main__":
    main()
