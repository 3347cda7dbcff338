"""A generated registry follows from its seed, can be resolved, and is served."""

import json
import urllib.request

import generated_registry
from generated_registry import Measured, exponent, measure
from loopback.generated import FRAMEWORK, GeneratedRegistry
from loopback.server import LoopbackServer


def test_the_same_seed_gives_the_same_registry():
    first, same, other = (GeneratedRegistry(50, seed) for seed in (3, 3, 4))
    assert first.project() == same.project() != other.project()
    names = list(first.project()["dependencies"])
    assert [first.packument(name) for name in names] == [same.packument(name) for name in names]


def test_a_generated_project_is_resolved():
    measured = measure(GeneratedRegistry(80, 1))
    assert measured.placements >= measured.answers > 40
    assert measured.resolve_mb > 0


def test_an_unknown_package_has_no_packument():
    assert GeneratedRegistry(10).packument("left-pad") is None
    assert GeneratedRegistry(10).packument(FRAMEWORK) is not None


def test_is_served_like_a_registry():
    registry = GeneratedRegistry(10)
    with LoopbackServer(registry.answer) as server:
        registry.address = server.url
        name = next(name for name in registry.project()["devDependencies"] if name.startswith("gen-"))
        with urllib.request.urlopen(f"{server.url}/{name}", timeout=20) as response:
            document = json.load(response)
    latest = document["versions"][document["dist-tags"]["latest"]]
    assert latest["dist"]["tarball"].startswith(server.url)


def test_the_exponent_is_the_slope_in_logarithms():
    small, large = (Measured(size, size, size, seconds, 0.0, 1.0) for size, seconds in ((10, 1.0), (1000, 100.0)))
    assert exponent([small, large]) == 1.0
    assert exponent([small, large], memory=True) == 0.0


def test_writes_a_report(tmp_path, capsys):
    words = ["measure", "--sizes", "30,60", "--rounds", "1", "--out", str(tmp_path)]
    assert generated_registry.main(words) == 0
    assert "exponent: time" in capsys.readouterr().out
    assert len(json.loads((tmp_path / "scaling.json").read_text())) == 2
