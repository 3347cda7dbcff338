"""Packing a folder: the same files as npm takes."""

import json
import os
from pathlib import Path

import pytest
from extracting import Extractor, contents_of, files_of
from npm.asking_npm import ask_npm

from pmpipe.errors import ArchiveError, StoreError
from stages.entries.entry import read_index
from stages.messages import ArchiveLimits, Extracted, Failed
from stages.unpacking.packlist import pack_folder, read_packed

LIMITS = ArchiveLimits(entries=10_000, one_file=1 << 20, all_files=1 << 24, ratio=1000)

#: files of every folder, so that rules meet plenty of both
COMMON = """
index.js lib/a.js lib/b.ts lib/deep/c.js lib/deep/.hidden src/x.js src/x.test.js src/y/z.js test/t.js docs/d.md
README.md readme LICENSE.txt licence~ CHANGELOG.md COPYING .npmrc sub/.npmrc package-lock.json yarn.lock
sub/yarn.lock pnpm-lock.yaml bun.lockb .DS_Store sub/.DS_Store/x ._mac sub/._mac a.orig sub/b.orig .x.swp
npm-debug.log .git/config sub/.git/config .svn/x CVS/y .hg/z .lock-wscript .wafpickle-7 build/config.gypi
build/out.js archived-packages/p.js node_modules/m/index.js sub/node_modules/n/index.js .gitattributes
dist/index.js dist/index.d.ts dist/maps/index.js.map bin/cli.js Main.js sub/README.md sub/package.json
sub/dist/x.js foo foo.d/bar UPPER/x.JS 'sp' @scope/x.js
""".split()  # noqa: SIM905 - as a list it would fill pages

CASES: dict[str, tuple[dict, dict[str, str]]] = {
    "nothing": ({}, {}),
    "npmignore": ({}, {".npmignore": "*.ts\n/test\ndocs/\n# comment\n\n!lib/b.ts\n"}),
    "gitignore": ({}, {".gitignore": "dist\n*.md\nnode_modules\n"}),
    "npmignore beats gitignore": ({}, {".gitignore": "dist\n", ".npmignore": "test\n"}),
    "empty npmignore": ({}, {".gitignore": "dist\n", ".npmignore": ""}),
    "windows line ends": ({}, {".npmignore": "*.ts\r\ntest\r\n"}),
    "nested ignore files": (
        {},
        {".npmignore": "*.js\n", "lib/.npmignore": "!a.js\n", "src/.gitignore": "!x.js\n", "src/y/.npmignore": "!z.js"},
    ),
    "nested ignore files with slashes": ({}, {"lib/.npmignore": "/deep\n", "src/.npmignore": "y/\n/x.js\n"}),
    "ignored folder with exception": ({}, {".npmignore": "lib\n!lib/a.js\n"}),
    "ignored content with exception": ({}, {".npmignore": "lib/*\n!lib/a.js\n"}),
    "ignore everything": ({}, {".npmignore": "*\n"}),
    "ignore everything but": ({}, {".npmignore": "*\n!dist/**\n!/lib\n"}),
    "double star": ({}, {".npmignore": "**/x.js\nlib/**/c.js\ndist/**\n"}),
    "case": ({}, {".npmignore": "MAIN.JS\n/upper\n"}),
    "braces and classes": ({}, {".npmignore": "*.{ts,md}\n[a-c].orig\nlib/?.js\n"}),
    "npm's defaults overruled": (
        {},
        {".npmignore": "!.npmrc\n!*.orig\n!.git\n!node_modules\n!yarn.lock\n!.DS_Store\n"},
    ),
    "files": ({"files": ["lib", "dist/index.js"]}, {}),
    "files with a slash": ({"files": ["/lib", "./dist", "src/"]}, {}),
    "files with stars": ({"files": ["lib/*", "src/**/*.js", "*.md"]}, {}),
    "files with negations": ({"files": ["lib", "!lib/deep", "src", "!**/*.test.js", "!src/y/z.js"]}, {}),
    "files with a negated file": ({"files": ["lib", "!lib/a.js"]}, {}),
    "files with braces": ({"files": ["{lib,src}/*.{js,ts}"]}, {}),
    "files with npm's defaults": ({"files": [".npmrc", "a.orig", "yarn.lock", "sub", ".git", "node_modules"]}, {}),
    "files that are required below": ({"files": ["lib/a.js", "lib/deep/c.js", "src/y/z.js"]}, {"lib/.npmignore": "*"}),
    "files beats ignore files": ({"files": ["lib", "src"]}, {".npmignore": "lib\n", "lib/.npmignore": "b.ts\n"}),
    "files empty": ({"files": []}, {}),
    "files that are a text": ({"files": "lib"}, {"l/x.js": "x", "b": "x"}),
    "files that are a pattern": ({"files": "*.js"}, {}),
    "files that are an empty text": ({"files": ""}, {}),
    "files outside": ({"files": ["../x", "/", ".", "", "lib/../src"]}, {}),
    "files everything": ({"files": ["*"]}, {}),
    "files everything deep": ({"files": ["**"]}, {}),
    "files without a slash": ({"files": ["foo", "foo.d", "x.js"]}, {}),
    "files in other case": ({"files": ["LIB", "Src/X.js"]}, {}),
    "main": ({"files": ["lib"], "main": "Main.js"}, {}),
    "main with a dot": ({"files": ["lib"], "main": "./dist/index.js"}, {}),
    "main in an ignored folder": ({"main": "dist/index.js"}, {".npmignore": "dist\n"}),
    "browser": ({"files": ["lib"], "browser": "dist/index.js"}, {}),
    "bin": ({"files": ["lib"], "bin": "bin/cli.js", "name": "p"}, {}),
    "bins": ({"files": ["lib"], "bin": {"a": "./bin/cli.js", "b": "dist/index.js"}}, {}),
    "bin ignored": ({"bin": {"a": "bin/cli.js"}}, {".npmignore": "bin/cli.js\n"}),
    "a folder of executables": (
        {"files": ["lib"], "directories": {"bin": "./src"}},
        {"src/.hid": "", "src/y/.hid": ""},
    ),
    "a folder of executables that is ignored": ({"directories": {"bin": "src/y/"}}, {".npmignore": "src\n"}),
    "a folder of executables beside others": (
        {"files": ["lib"], "bin": {"a": "bin/cli.js"}, "directories": {"bin": "src"}},
        {},
    ),
    "a folder of executables that is not there": ({"files": ["lib"], "directories": {"bin": "none"}}, {}),
    "files with backslashes": (
        {"files": ["\\!n", "src\\y", "lib\\a.js"]},
        {"!n/a": "", "!n/b/c": "", "srcy/a": "", "liba.js": ""},
    ),
    "a byte order mark": ({}, {".npmignore": "\ufefflib\ntest\n"}),
    "spaces of JavaScript": ({}, {".npmignore": "\u00a0lib\u2003\n\x1ctest\n"}),
    "workspaces": (
        {"workspaces": ["sub"]},
        {
            ".npmignore": "dist\n",
            "sub/package.json": '{"name":"sub"}',
            "lib/package.json": "{}",
            "lib/.npmignore": "*\n",
        },
    ),
    "bundled": (
        {"dependencies": {"m": "1", "o": "1"}, "bundleDependencies": ["m", "absent"]},
        {
            "node_modules/m/package.json": '{"name":"m","version":"1.0.0","dependencies":{"n":"1"},"files":["*x.js"]}',
            "node_modules/m/.npmignore": "*",
            "node_modules/m/other.js": "",
            "node_modules/m/node_modules/n/package.json": '{"name":"n","version":"1.0.0","dependencies":{"q":"1"}}',
            "node_modules/m/node_modules/n/n.js": "",
            "node_modules/m/node_modules/n/.gitignore": "n.js",
            "node_modules/q/package.json": '{"name":"q","version":"1.0.0"}',
            "node_modules/q/lib/.npmignore": "x.js",
            "node_modules/q/lib/x.js": "",
            "node_modules/q/.git/x.js": "",
            "node_modules/o/package.json": '{"name":"o","version":"1.0.0"}',
        },
    ),
    "bundled by the old name": (
        {"dependencies": {"@s/m": "1"}, "bundledDependencies": ["@s/m"]},
        {"node_modules/@s/m/package.json": '{"name":"@s/m","version":"1.0.0"}'},
    ),
    "everything bundled": (
        {"dependencies": {"m": "1"}, "optionalDependencies": {"o": "1"}, "bundleDependencies": True},
        {
            "node_modules/m/package.json": '{"name":"m","version":"1.0.0"}',
            "node_modules/o/package.json": '{"name":"o","version":"1.0.0"}',
        },
    ),
}


def write_case(folder: Path, manifest: dict, files: dict[str, str]) -> Path:
    everything = {**dict.fromkeys(COMMON, "x"), "package.json": json.dumps({"version": "1.0.0", **manifest}), **files}
    for path, content in everything.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(content)
    return folder


def packed(folder: Path) -> list[str]:
    return [os.fsdecode(file.path) for file in pack_folder(str(folder), LIMITS)]


@pytest.mark.npm
def test_takes_the_files_that_npm_takes(tmp_path):
    folders = {name: write_case(tmp_path / str(number), *case) for number, (name, case) in enumerate(CASES.items())}
    answers = ask_npm(
        os.path.join(os.path.dirname(__file__), "ask_packlist.cjs"), [str(one) for one in folders.values()]
    )
    for (name, folder), by_npm in zip(folders.items(), answers, strict=True):
        assert sorted(packed(folder)) == sorted(by_npm), name


@pytest.mark.npm
def test_a_packed_folder_becomes_what_npm_installs_of_it(tmp_path):
    extractor = Extractor(tmp_path)
    folder = write_case(
        tmp_path / "checkout",
        {"name": "p", "bin": "bin/cli.js", "dependencies": {"m": "1"}, "bundleDependencies": ["m"]},
        {
            "node_modules/m/package.json": '{"name":"m","version":"1.0.0"}',
            "node_modules/m/.gitignore": "x",
            "run.sh": "#!/bin/sh\n",
        },
    )
    (folder / "run.sh").chmod(0o750)
    (folder / "lib/a.js").chmod(0o4600)
    (folder / "link").symlink_to("index.js")
    (by_npm,) = extractor.installed_by_npm([folder])
    result = extractor.run_folder(folder)
    assert isinstance(result, Extracted), result
    assert files_of(result.entry) == by_npm
    assert b"node_modules/m/.npmignore" in by_npm


def test_a_folder_is_packed_under_its_key_and_deleted(tmp_path):
    folder = write_case(tmp_path / "checkout", {"scripts": {"install": "x"}}, {})
    result = Extractor(tmp_path).run_folder(folder, key="cd" * 20)
    assert result.entry.endswith(f"/git/cd/{'cd' * 20}")
    assert contents_of(result)[b"lib/a.js"] == b"x"
    assert read_index(result.entry).has_install_script
    assert result.integrity == ""
    assert not folder.exists()


def test_a_folder_whose_entry_exists_is_only_deleted(tmp_path):
    extractor = Extractor(tmp_path)
    first = extractor.run_folder(write_case(tmp_path / "checkout", {}, {}))
    folder = write_case(tmp_path / "checkout", {}, {"new.js": "x"})
    assert extractor.run_folder(folder).entry == first.entry
    assert not folder.exists()
    assert b"new.js" not in contents_of(first)


def test_a_folder_that_cannot_be_packed_is_deleted(tmp_path):
    folder = write_case(tmp_path / "checkout", {}, {})
    (folder / "big").write_bytes(b"x" * 100)
    limits = ArchiveLimits(entries=10_000, one_file=99, all_files=1 << 20, ratio=1)
    result = Extractor(tmp_path).run_folder(folder, limits=limits)
    assert isinstance(result, Failed)
    assert result.code == "PM_ARCHIVE"
    assert "99 bytes in one" in result.what
    assert not folder.exists()


def test_a_folder_that_is_missing_is_named(tmp_path):
    result = Extractor(tmp_path).run_folder(tmp_path / "missing")
    assert isinstance(result, Failed)
    assert result.code == "PM_STORE"
    assert str(tmp_path / "missing") in result.what


def test_files_that_are_a_text_are_its_characters(tmp_path):
    folder = write_case(tmp_path / "p", {"files": "lib"}, {"l/x.js": "x", "b": "x"})
    assert {"b", "l/x.js"} <= set(packed(folder))
    assert not {"lib/a.js", "index.js"} & set(packed(folder))


def test_links_are_left_out(tmp_path):
    folder = write_case(tmp_path / "p", {"files": ["soft", "out", "lib"]}, {})
    (folder / "soft").symlink_to("index.js")
    (folder / "out").symlink_to(tmp_path)
    assert not {"soft", "out", "out/p/index.js"} & set(packed(folder))


def test_a_folder_without_package_json_is_packed_by_the_default_rules(tmp_path):
    folder = write_case(tmp_path / "p", {}, {})
    (folder / "package.json").unlink()
    assert "lib/a.js" in packed(folder)


def test_an_ignore_file_that_is_none_is_an_error(tmp_path):
    folder = write_case(tmp_path / "p", {}, {})
    os.mkfifo(folder / ".npmignore")
    with pytest.raises(StoreError, match="no regular file"):
        packed(folder)


def test_a_folder_of_executables_behind_a_link_is_not_looked_into(tmp_path):
    manifest = {"files": ["lib"], "directories": {"bin": "ln/y"}}
    folder = write_case(tmp_path / "p", manifest, {})
    (folder / "ln").symlink_to("src")
    assert not any(path.startswith(("ln", "src")) for path in packed(folder))


@pytest.mark.parametrize("manifest", [{}, {"directories": {"bin": "d"}}])
def test_a_folder_of_absurd_depth_is_refused(tmp_path, manifest):
    folder = write_case(tmp_path / "p", manifest, {})
    deep = folder / ("d/" * 102)
    deep.mkdir(parents=True)
    (deep / "x").write_text("x")
    with pytest.raises(ArchiveError, match="100 folders deep"):
        packed(folder)


def test_a_file_that_became_a_link_is_not_read(tmp_path):
    folder = write_case(tmp_path / "p", {}, {})
    file = next(one for one in pack_folder(str(folder), LIMITS) if one.path == b"index.js")
    (folder / "index.js").unlink()
    (folder / "index.js").symlink_to("/etc/hostname")
    with pytest.raises(StoreError, match=r"index\.js"):
        read_packed(file)


@pytest.mark.parametrize(
    ("link", "target"), [("node_modules", "."), ("node_modules/@s", "@s"), ("node_modules/@s/m", "@s/m")]
)
def test_what_is_bundled_behind_a_link_is_left_out(tmp_path, link, target):
    outside = tmp_path / "outside"
    (outside / "@s/m").mkdir(parents=True)
    (outside / "@s/m/secret.txt").write_text("secret")
    manifest = {"dependencies": {"@s/m": "1"}, "bundleDependencies": True}
    (tmp_path / "p").mkdir()
    (tmp_path / "p/package.json").write_text(json.dumps(manifest))
    (tmp_path / "p" / link).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / "p" / link).symlink_to(outside / target)
    assert packed(tmp_path / "p") == ["package.json"]


def test_dependencies_with_paths_for_names_are_not_bundled(tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/x").write_text("x")
    manifest = {"dependencies": {"../../outside": "1", "..": "1", "": "1"}, "bundleDependencies": True}
    assert not any("outside" in path for path in packed(write_case(tmp_path / "p", manifest, {})))
