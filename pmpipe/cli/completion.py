"""`pmpipe completion`, for bash, zsh and what else shtab knows."""

from __future__ import annotations

from collections.abc import Mapping

from pmpipe.cli.options import CommandLine
from pmpipe.cli.parser import make_parser
from pmpipe.errors import UsageError


def run_completion(line: CommandLine, _environ: Mapping[str, str]) -> int:
    """Print the shell's completion script.

    Raises:
        UsageError: the shell is not one of those that are supported.
    """
    import shtab

    shell = line.words[0] if len(line.words) == 1 else ""
    if shell not in shtab.SUPPORTED_SHELLS:
        raise UsageError(f"pmpipe completion wants one of {', '.join(shtab.SUPPORTED_SHELLS)}")
    print(shtab.complete(make_parser(), shell=shell))
    return 0
