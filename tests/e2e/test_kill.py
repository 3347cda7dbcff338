"""A short session of the kill test: whatever instant a run is killed at, the next one brings everything in order."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from support.packages import PackedFile, make_lock, make_package

KILL_TEST = Path(__file__).resolve().parents[2] / "scripts" / "kill_test.py"


@pytest.mark.timeout(240)
@pytest.mark.parametrize("flags", [(), ("--without-lock",), ("--one",)])
def test_what_runs_killed_at_random_instants_leave_is_completed_by_the_next(tmp_path, registry, flags):
    files = {f"lib/{number}.js": b"%d" % number for number in range(20)}
    files["cli.js"] = PackedFile(b"#!/usr/bin/env node\n", 0o755)
    packages = {}
    for number in range(24):
        scope = "@scope/" if number % 3 == 0 else ""
        package = make_package(f"{scope}p{number}", "1.0.0", files, bin={f"p{number}": "cli.js"})
        inner = make_package(f"{scope}p{number}", "2.0.0", files, bin={f"p{number}": "cli.js"})
        registry.publish(package, inner)
        packages[f"node_modules/{package.name}"] = package
        if number % 4 == 0:
            user = make_package(f"user{number}", "1.0.0", dependencies={inner.name: "2"})
            registry.publish(user)
            packages[f"node_modules/{user.name}"] = user
            packages[f"node_modules/{user.name}/node_modules/{inner.name}"] = inner
    dependencies = {
        path.removeprefix("node_modules/"): package.version
        for path, package in packages.items()
        if "/node_modules/" not in path
    }
    manifest = {"name": "app", "version": "1.0.0", "dependencies": dependencies}
    project = tmp_path / "app"
    project.mkdir()
    (project / "package.json").write_text(json.dumps(manifest))
    (project / "package-lock.json").write_text(json.dumps(make_lock(manifest, packages, registry.url)))
    (tmp_path / "work").mkdir()
    words = ["--project", str(project), "--registry", f"{registry.url}/", "--work-dir", str(tmp_path / "work")]
    done = subprocess.run(
        [sys.executable, str(KILL_TEST), *words, "--passes", "4", "--seed", "3", *flags],
        check=False,
        capture_output=True,
        text=True,
        timeout=220,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "4 of 4 equal the undisturbed result" in done.stdout
    assert list((tmp_path / "work").iterdir()) == []
