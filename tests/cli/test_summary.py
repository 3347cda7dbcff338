"""What is told of a run that has succeeded."""

from __future__ import annotations

import json

import pytest

from pmpipe.cli.output import Output
from pmpipe.cli.summary import show
from pmpipe.installing.install_request import Summary


def test_no_credentials_of_an_address_are_in_the_document(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    # other tests have documents of their own
    monkeypatch.setattr(Output, "has_answered", False)
    summary = Summary(warnings=["a@git+https://t0ken@a.example/a.git is odd"])
    show(summary, Output("notice", json=True), 1.0, dry_run=False)
    captured = capsys.readouterr()
    assert json.loads(captured.out)["warnings"] == ["a@git+https://***@a.example/a.git is odd"]
    assert "t0ken" not in captured.err
