"""Asks the modules inside npm itself: one node process for a list of questions, one JSON line for each."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

_HERE = os.path.dirname(os.path.abspath(__file__))


def ask(script: str, questions: Sequence[Any]) -> list[Any]:
    """Run a script of this folder with one question per line on its input; give the answers in the same order."""
    npm = shutil.which("npm")
    assert npm is not None, "tests marked npm need npm on the PATH"
    modules = os.path.join(os.path.dirname(os.path.dirname(os.path.realpath(npm))), "node_modules")
    answered = subprocess.run(
        ["node", os.path.join(_HERE, script), modules],
        input="".join(json.dumps(question) + "\n" for question in questions),
        stdout=subprocess.PIPE,
        encoding="utf-8",
        check=True,
    )
    answers = [json.loads(line) for line in answered.stdout.split("\n")[:-1]]
    assert len(answers) == len(questions)
    return answers
