"""Commands that change a project, each with the project that it is given in; see `changing`."""

from __future__ import annotations

from typing import Any


def needs(**specs: str) -> dict[str, Any]:
    return {"dependencies": specs}


REGISTRY = {
    "a": {"1.0.0": needs(b="^1.0.0"), "1.1.0": needs(b="^1.0.0"), "2.0.0": needs(b="^2.0.0")},
    "b": {"1.0.0": {}, "1.1.0": {}, "2.0.0": {}},
    "c": {"1.0.0": needs(a="^1.0.0")},
    "p": {"1.0.0": {"peerDependencies": {"a": "^2.0.0"}}},
    "@s/x": {"1.0.0": {"bin": "x.js"}},
    "t": {"1.0.0": {}, "1.5.0": {}, "2.0.0-beta.1": {}},
    "d": {"1.0.0": needs(b="1.0.0"), "2.0.0": needs(b="^1.0.0")},
    "10": {"1.0.0": {}},
}
TAGS = {"t": {"latest": "1.5.0", "beta": "2.0.0-beta.1", "old": "1.0.0"}}
PLAIN = {"registry": REGISTRY, "tags": TAGS, "project": {"name": "app", "version": "1.0.0"}}
#: locked with older versions than its ranges allow
OLD = {
    **PLAIN,
    "before": {"name": "app", "version": "1.0.0", **needs(a="1.0.0", b="1.0.0"), "devDependencies": {"t": "1.0.0"}},
    "project": {"name": "app", "version": "1.0.0", **needs(a="^1.0.0", b="^1.0.0"), "devDependencies": {"t": "^1.0.0"}},
}
EVERY_KIND = {
    **PLAIN,
    "project": {
        "name": "app",
        "version": "1.0.0",
        "license": "MIT",
        **needs(c="^1.0.0"),
        "devDependencies": {"t": "^1.0.0", "a": "^1.0.0"},
        "optionalDependencies": {"@s/x": "^1.0.0"},
        "peerDependencies": {"a": ">=1.0.0"},
        "bundleDependencies": ["c"],
    },
}
WORKSPACES = {
    **PLAIN,
    "project": {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"], **needs(b="^1.0.0")},
    "workspaces": {
        "packages/one": {"name": "one", "version": "1.2.0", **needs(a="^1.0.0")},
        "packages/two": {"name": "@s/two", "version": "0.1.0", "private": True},
    },
}
#: the workspace comes before b in the order of names, and asks for another version of it than the override says
OVERRIDDEN = {
    **PLAIN,
    "before": {"name": "app", "version": "1.0.0", "workspaces": ["packages/*"]},
    "project": {
        "name": "app",
        "version": "1.0.0",
        "workspaces": ["packages/*"],
        **needs(b="^1.0.0"),
        "overrides": {"b": "$b"},
    },
    "workspaces": {"packages/one": {"name": "@s/one", "version": "1.0.0", **needs(b="2.0.0")}},
}
#: two copies of b below, where one would do
DUPLICATES = {
    **PLAIN,
    "before": {"name": "app", "version": "1.0.0", **needs(a="1.0.0", b="2.0.0", d="1.0.0")},
    "project": {"name": "app", "version": "1.0.0", **needs(a="1.0.0", b="1 || 2", d="1.0.0")},
}
FOLDERS = {**PLAIN, "folders": {"lib/inner": {"name": "inner", "version": "3.0.0", **needs(b="1")}}}

CHANGES: dict[str, tuple[dict[str, Any], str]] = {
    "a new dependency": (PLAIN, "install a"),
    "several at once": (PLAIN, "install c @s/x t b@1.0.0"),
    "without a lock": ({**PLAIN, "locked": False}, "install a"),
    "a version": (PLAIN, "install a@1.0.0"),
    "a version of its own": (PLAIN, "install -E a@1.0.0"),
    "exactly the newest": (PLAIN, "install -E a"),
    "a range": (PLAIN, "install 'a@^1.0.0'"),
    "a narrow range": (PLAIN, "install 'a@1.0.x'"),
    "a tag": (PLAIN, "install t@beta"),
    "another tag": (PLAIN, "install -D t@old"),
    "an alias": (PLAIN, "install other@npm:a@1 more@npm:b"),
    "an alias of a tag": (PLAIN, "install other@npm:t@beta"),
    "for development": (PLAIN, "install -D a"),
    "optional": (PLAIN, "install -O a"),
    "a peer": (PLAIN, "install --save-peer p"),
    "bundled": (PLAIN, "install -B a c"),
    "with a peer": (PLAIN, "install p"),
    "a name that is a number": (PLAIN, "install 10"),
    "not saved": (PLAIN, "install --no-save a"),
    "there already": (OLD, "install a"),
    "there already for development": (OLD, "install t"),
    "from development to production": (OLD, "install -P t"),
    "from production to development": (OLD, "install -D a"),
    "there already, another major": (OLD, "install a@2"),
    "a dependency of a dependency": (EVERY_KIND, "install b"),
    "optional already": (EVERY_KIND, "install @s/x"),
    "from optional to production": (EVERY_KIND, "install -P @s/x"),
    "peer and development already": (EVERY_KIND, "install a@1.0.0"),
    "from bundled to peer": (EVERY_KIND, "install --save-peer c"),
    "a folder": (FOLDERS, "install ./lib/inner"),
    "a folder under another name": (FOLDERS, "install other@file:lib/inner"),
    "a tarball": (PLAIN, "install ./packed.tgz"),
    "in one workspace": (WORKSPACES, "install -w=packages/one t"),
    "in two workspaces": (WORKSPACES, "install -w=packages/one -w=packages/two -D t@beta"),
    "in the project of workspaces": (WORKSPACES, "install a@2"),
    "a workspace in another": (WORKSPACES, "install -w=packages/two one"),
    "a workspace in the project": (WORKSPACES, "install one"),
    "a workspace's folder": (WORKSPACES, "install ./packages/one"),
    "removed": (OLD, "uninstall a"),
    "removed, and nothing else is left": (OLD, "uninstall a b t"),
    "removed though it is unknown": (OLD, "uninstall nothing"),
    "removed but needed": (EVERY_KIND, "uninstall a"),
    "removed from every kind": (EVERY_KIND, "uninstall c t @s/x"),
    "removed but not saved": (OLD, "uninstall --no-save a"),
    "removed from a workspace": (WORKSPACES, "uninstall -w=packages/one a"),
    "updated": (OLD, "update"),
    "updated by name": (OLD, "update b"),
    "updated and saved": (OLD, "update --save"),
    "updated by name and saved": (OLD, "update --save a t"),
    "updated in workspaces": ({**WORKSPACES, "before": WORKSPACES["project"]}, "update --save"),
    "updated under an override": (OVERRIDDEN, "update"),
    "updated without a lock": ({**OLD, "locked": False}, "update"),
    "deduped": (DUPLICATES, "dedupe"),
    "deduped where nothing is twice": (OLD, "dedupe"),
    "deduped workspaces": (WORKSPACES, "dedupe"),
    "pruned": ({**OLD, "project": {"name": "app", "version": "1.0.0"}}, "prune"),
    "installed as it is": (OLD, "install"),
}
