"""The table of the settings that pmpipe knows: npm's names, types and defaults.

A new setting is one line in `SETTINGS`; `pmpipe.npm.config.coerce` gives its values their type.
"""

from __future__ import annotations

from typing import Any, Literal, TypeAlias

import msgspec

#: ``count`` is a whole number >= 0, ``number`` any finite number >= 0, ``line`` a text that can be a header's value.
Kind: TypeAlias = Literal["boolean", "text", "line", "path", "url", "count", "number", "choice"]

#: bool, str, int, float, None, or a tuple of str for settings that may be given several times.
SettingValue: TypeAlias = Any

_DEPENDENCY_TYPES = ("dev", "optional", "peer")

#: What registries do not serve, each with a setting that says for whom it may be fetched (``allow-git`` and so on).
SOURCE_KINDS = ("git", "remote", "file", "directory")
_ALLOWED_FOR = ("all", "none", "root")


class Setting(msgspec.Struct, frozen=True):
    """One line of the table.

    Attributes:
        name: npm's name, as written in an .npmrc.
        kind: how the value is read.
        default: the value where nobody sets it; None as well where it is computed.
        choices: the accepted words of a ``choice``, the accepted schemes of a ``url``.
        nullable: ``null`` is a value of its own.
        stays_on: a switch that only false turns off, while ``null`` and an empty variable turn off others.
        many: may be given several times; the value is a tuple.
        exclusive: settings that may not be given beside this one.
    """

    name: str
    kind: Kind
    default: SettingValue = None
    choices: tuple[str, ...] = ()
    nullable: bool = False
    stays_on: bool = False
    many: bool = False
    exclusive: tuple[str, ...] = ()


_HTTP = ("http", "https")
_PROXY = ("http", "https", "socks", "socks4", "socks4a", "socks5", "socks5h")

_USER_AGENT = "npm/{npm-version} node/{node-version} {platform} {arch} workspaces/{workspaces} {ci}"

SETTINGS: dict[str, Setting] = {
    setting.name: setting
    for setting in (
        # -- registries and the network
        Setting("registry", "url", choices=_HTTP),
        Setting("scope", "text", ""),
        Setting("replace-registry-host", "text", "npmjs"),
        Setting("ca", "text", nullable=True, many=True),
        Setting("cafile", "path"),
        Setting("cert", "text", nullable=True),
        Setting("key", "text", nullable=True),
        Setting("strict-ssl", "boolean", default=True, stays_on=True),
        Setting("proxy", "url", choices=_PROXY, nullable=True),
        Setting("https-proxy", "url", choices=_PROXY, nullable=True),
        Setting("noproxy", "text", (), many=True),
        Setting("local-address", "text", nullable=True),
        Setting("maxsockets", "count", 15),
        Setting("http2", "boolean", default=True),
        Setting("fetch-retries", "count", 2),
        Setting("fetch-retry-factor", "number", 10),
        Setting("fetch-retry-mintimeout", "count", 10_000),
        Setting("fetch-retry-maxtimeout", "count", 60_000),
        Setting("fetch-timeout", "count", 300_000),
        Setting("offline", "boolean", default=False),
        Setting("prefer-offline", "boolean", default=False),
        Setting("prefer-online", "boolean", default=False),
        Setting("user-agent", "line", _USER_AGENT),
        # -- what is installed, and how
        Setting("omit", "choice", (), choices=_DEPENDENCY_TYPES, many=True),
        Setting("include", "choice", (), choices=("prod", *_DEPENDENCY_TYPES), many=True),
        Setting("production", "boolean", nullable=True),
        Setting("only", "choice", choices=("prod", "production"), nullable=True),
        Setting("also", "choice", choices=("dev", "development"), nullable=True),
        Setting("dev", "boolean", default=False),
        Setting("optional", "boolean", nullable=True),
        Setting("install-strategy", "choice", "hoisted", choices=("hoisted", "nested", "shallow", "linked")),
        Setting("global-style", "boolean", default=False),
        Setting("legacy-bundling", "boolean", default=False),
        Setting("install-links", "boolean", default=False),
        Setting("legacy-peer-deps", "boolean", default=False),
        Setting("strict-peer-deps", "boolean", default=False),
        Setting("prefer-dedupe", "boolean", default=False),
        Setting("engine-strict", "boolean", default=False),
        Setting("force", "boolean", default=False),
        Setting("dry-run", "boolean", default=False),
        Setting("bin-links", "boolean", default=True),
        Setting("os", "text", nullable=True),
        Setting("cpu", "text", nullable=True),
        Setting("libc", "text", nullable=True),
        Setting("tag", "text", "latest"),
        Setting("before", "text", nullable=True),
        Setting("min-release-age", "number", nullable=True),
        Setting("allow-unused-patches", "boolean", default=False),
        Setting("min-release-age-exclude", "text", (), many=True),
        Setting("workspace", "text", (), many=True),
        Setting("workspaces", "boolean", nullable=True),
        Setting("include-workspace-root", "boolean", default=False),
        Setting("workspaces-update", "boolean", default=True),
        Setting("allow-git", "choice", "all", choices=_ALLOWED_FOR),
        Setting("allow-remote", "choice", "all", choices=_ALLOWED_FOR),
        Setting("allow-file", "choice", "all", choices=_ALLOWED_FOR),
        Setting("allow-directory", "choice", "all", choices=_ALLOWED_FOR),
        # -- lifecycle scripts
        Setting("ignore-scripts", "boolean", default=False),
        Setting("foreground-scripts", "boolean", default=False),
        Setting("script-shell", "text", nullable=True),
        Setting("node-options", "text", nullable=True),
        Setting("allow-scripts", "text", (), many=True),
        Setting("strict-allow-scripts", "boolean", default=False),
        Setting("dangerously-allow-all-scripts", "boolean", default=False),
        Setting("allow-scripts-pin", "boolean", default=True),
        Setting("allow-scripts-pending", "boolean", default=False),
        Setting("all", "boolean", default=False),
        # -- the lockfile and package.json
        Setting("package-lock", "boolean", default=True),
        Setting("shrinkwrap", "boolean", default=True),
        Setting("package-lock-only", "boolean", default=False),
        Setting("extension-file", "text", nullable=True),
        Setting("ignore-extension", "boolean", default=False),
        Setting("frozen-lockfile", "boolean", nullable=True),
        Setting("format-package-lock", "boolean", default=True),
        Setting("lockfile-version", "choice", choices=("1", "2", "3"), nullable=True),
        Setting("omit-lockfile-registry-resolved", "boolean", default=False),
        Setting("save", "boolean", default=True, stays_on=True),
        Setting("save-bundle", "boolean", default=False),
        Setting("save-dev", "boolean", default=False, exclusive=("save-optional", "save-peer", "save-prod")),
        Setting("save-exact", "boolean", default=False),
        Setting("save-optional", "boolean", default=False, exclusive=("save-dev", "save-peer", "save-prod")),
        Setting("save-peer", "boolean", default=False, exclusive=("save-dev", "save-optional", "save-prod")),
        Setting("save-prefix", "text", "^"),
        Setting("save-prod", "boolean", default=False, exclusive=("save-dev", "save-optional", "save-peer")),
        # -- places
        Setting("cache", "path", "~/.npm"),
        Setting("store-dir", "path"),
        Setting("prefix", "path"),
        Setting("userconfig", "path", "~/.npmrc"),
        Setting("globalconfig", "path"),
        Setting("global", "boolean", default=False),
        Setting("location", "choice", "user", choices=("global", "user", "project")),
        Setting("git", "text", "git"),
        Setting("clone-method", "choice", "auto", choices=("auto", "reflink", "hardlink", "copy")),
        # -- what is shown
        Setting(
            "loglevel",
            "choice",
            "notice",
            choices=("silent", "error", "warn", "notice", "http", "info", "verbose", "silly"),
        ),
        Setting("progress", "boolean", default=True),
        Setting("json", "boolean", default=False),
        Setting("audit", "boolean", default=True),
        Setting("fund", "boolean", default=True),
    )
}

_OTHER_NAMES = (
    "access allow-same-version audit-level auth-type browser "
    "bypass-2fa cache-max cache-min call cidr color commit-hooks depth description diff "
    "diff-dst-prefix diff-ignore-all-space diff-name-only diff-no-prefix diff-src-prefix "
    "diff-text diff-unified editor expect-result-count expect-results expires git-tag-version heading if-present "
    "include-attestations include-staged init-author-email init-author-name init-author-url init-license "
    "init-module init-private init-type init-version link logs-dir logs-max long message name node-gyp orgs "
    "orgs-permission otp pack-destination package packages packages-all packages-and-scopes-permission parseable "
    "password preid provenance provenance-file read-only rebuild-bundle sbom-format sbom-type scopes searchexclude "
    "searchlimit searchopts searchstaleness shell sign-git-commit sign-git-tag tag-version-prefix timing "
    "token-description umask unicode update-notifier usage version versions viewer which yes _auth "
    "npm-version global-prefix local-prefix "
)

#: What npm 6 and older knew; npm 11 warns of them and goes on, and many a Dockerfile still has them.
_FORMER_NAMES = (
    "group ham-it-up metrics-registry onload-script rollback scripts-prepend-node-path send-metrics "
    "sso-poll-frequency sso-type tmp unsafe-perm user "
)

#: Settings of npm that have no meaning for pmpipe (yet): kept, never checked, and not reported as unknown.
OTHER_NPM_SETTINGS = frozenset(_OTHER_NAMES.split() + _FORMER_NAMES.split())

_OTHER_SWITCHES = (
    "allow-same-version bypass-2fa commit-hooks description diff-ignore-all-space diff-name-only "
    "diff-no-prefix diff-text expect-results git-tag-version if-present include-attestations include-staged "
    "init-private link long packages-all parseable provenance read-only "
    "rebuild-bundle sign-git-commit sign-git-tag timing unicode update-notifier usage versions yes "
    "ham-it-up rollback send-metrics unsafe-perm"
)
#: Those of them that are on or off, so that the word behind one on the command line is not its value.
OTHER_NPM_SWITCHES = frozenset(_OTHER_SWITCHES.split())
