"""Settings from flags, environment and .npmrc files: precedence, types, and what is refused."""

from __future__ import annotations

import os
import pwd
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from npm.asking_npm import ask_npm
from support.loaded_modules import modules_loaded_by
from support.permissions import let_others_reach

from pmpipe.errors import ConfigError, ProblemsError
from pmpipe.npm.packages.registry import public_registry
from pmpipe.settings.config import Config, fields_of_settings

REGISTRY = "https://registry.example/"


class Host:
    """A home, a project and a prefix of their own, and an environment that knows nothing else."""

    def __init__(self, folder: Path):
        self.home, self.project, self.prefix = folder / "home", folder / "project", folder / "prefix"
        for path in (self.home, self.project, self.prefix / "etc"):
            path.mkdir(parents=True)
        (self.project / "package.json").write_text("{}")
        self.environ = {"HOME": str(self.home), "PREFIX": str(self.prefix), "PATH": ""}

    def write(self, *, project=None, user=None, host=None):
        files = {self.project / ".npmrc": project, self.home / ".npmrc": user, self.prefix / "etc" / "npmrc": host}
        for path, text in files.items():
            if text is not None:
                path.write_bytes(text if isinstance(text, bytes) else text.encode())

    def load(self, flags=None, **environ):
        return Config.load(flags or {}, {**self.environ, **environ}, str(self.project))


@pytest.fixture
def host(tmp_path):
    return Host(tmp_path)


def problem(host, **arguments):
    with pytest.raises(ConfigError) as raised:
        host.load(**arguments)
    return str(raised.value)


# -- precedence


def test_stronger_source_wins(host):
    host.write(host="tag=host\nmaxsockets=1", user="tag=user\nfetch-retries=1", project="tag=project\nsave-prefix=~")
    assert host.load({"tag": "flag"}, npm_config_tag="env").settings["tag"] == "flag"
    assert host.load(npm_config_tag="env").settings["tag"] == "env"
    config = host.load()
    assert (config.settings["tag"], config.fetch_retries, config.maxsockets) == ("project", 1, 1)
    assert config.save_prefix == "~"


def test_flag_that_was_not_given_says_nothing(host):
    host.write(project="loglevel=warn")
    assert host.load({"loglevel": None}).loglevel == "warn"


@pytest.mark.parametrize(
    "variable", ["npm_config_fetch_retries", "NPM_CONFIG_FETCH_RETRIES", "npm_config_fetch-retries"]
)
def test_variable_is_recognised_in_every_spelling(host, variable):
    assert host.load(**{variable: "7"}).fetch_retries == 7


def test_empty_variable_says_nothing(host):
    host.write(project="offline=true")
    assert host.load(npm_config_offline="").offline is True


def test_credentials_from_the_environment_keep_their_name(host):
    config = host.load(**{"npm_config_//registry.example/:_authToken": "t", "npm_config_registry": REGISTRY})
    assert config.registries.credential_for(REGISTRY).authorization == "Bearer t"


def test_defaults_without_any_source(host):
    config = host.load()
    assert config.registries.default == public_registry()
    assert (config.fetch_retries, config.fetch_timeout, config.maxsockets) == (2, 300_000, 15)
    assert (config.strict_ssl, config.package_lock, config.omit, config.lockfile_version) == (True, True, (), None)
    assert config.cache == str(host.home / ".npm")
    assert (config.unknown, config.warnings) == ((), ())


# -- files


def test_user_and_global_files_can_be_named(host, tmp_path):
    (tmp_path / "u").write_text("tag=u")
    (tmp_path / "g").write_text("save-prefix=g")
    config = host.load({"globalconfig": str(tmp_path / "g")}, NPM_CONFIG_USERCONFIG=str(tmp_path / "u"))
    assert (config.settings["tag"], config.save_prefix) == ("u", "g")
    assert (config.userconfig, config.globalconfig) == (str(tmp_path / "u"), str(tmp_path / "g"))


def test_prefix_says_where_the_global_file_is(host, tmp_path):
    (tmp_path / "other" / "etc").mkdir(parents=True)
    (tmp_path / "other" / "etc" / "npmrc").write_text("tag=other")
    host.write(user=f"prefix={tmp_path}/other")
    config = host.load()
    assert (config.prefix, config.settings["tag"]) == (str(tmp_path / "other"), "other")


def test_global_file_is_found_beside_node(host, tmp_path):
    binaries = tmp_path / "node" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "node").write_text("")
    (binaries / "node").chmod(0o755)
    (tmp_path / "path").mkdir()
    (tmp_path / "path" / "node").symlink_to(binaries / "node")
    environ = {"HOME": str(host.home), "PATH": str(tmp_path / "path")}
    config = Config.load({}, environ, str(host.project))
    assert config.globalconfig == str(tmp_path / "node" / "etc" / "npmrc")
    staged = Config.load({}, {**environ, "DESTDIR": "/stage"}, str(host.project))
    assert staged.prefix == f"/stage{tmp_path}/node"


def test_file_of_npm_itself_is_the_weakest(host, tmp_path):
    program = tmp_path / "lib" / "npm" / "bin" / "npm-cli.js"
    program.parent.mkdir(parents=True)
    program.write_text("")
    program.chmod(0o755)
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "npm").symlink_to(program)
    (tmp_path / "lib" / "npm" / "npmrc").write_text("tag=builtin\nsave-prefix=builtin")
    host.write(host="tag=host")
    config = host.load(PATH=str(tmp_path / "bin"))
    assert (config.settings["tag"], config.save_prefix) == ("host", "builtin")


def test_project_in_the_home_folder_reads_its_file_once_as_the_users(host):
    host.write(user="registry=https://registry.example/")
    config = Config.load({}, host.environ, str(host.home))
    assert config.registries.configured == REGISTRY


def test_project_file_does_not_count_in_global_mode(host):
    host.write(project="tag=project")
    assert host.load({"global": True}).settings["tag"] == "latest"


def test_one_file_in_two_roles_is_read_once(host, tmp_path):
    (tmp_path / "both").write_text("omit[]=dev")
    config = host.load({"userconfig": str(tmp_path / "both"), "globalconfig": str(tmp_path / "both")})
    assert config.omit == ("dev",)


def test_file_that_cannot_be_read_is_an_error(host):
    (host.home / ".npmrc").mkdir()
    assert f"{host.home}/.npmrc cannot be read" in problem(host)


def test_a_home_folder_that_lets_nobody_look_has_no_file(host, monkeypatch):
    # root may look anywhere
    (host.home / ".npmrc").mkdir()
    monkeypatch.setattr(os, "access", lambda path, _: path != str(host.home))
    assert host.load().userconfig == f"{host.home}/.npmrc"
    assert "cannot be read" in problem(host, npm_config_userconfig=str(host.prefix))


@pytest.mark.root
def test_the_file_of_another_user_in_a_home_folder_that_was_taken_along_does_not_count(host):
    host.write(user="registry=https://registry.example/")
    (host.home / ".npmrc").chmod(0o600)
    let_others_reach(host.home)
    os.seteuid(65534)
    try:
        config = host.load()
        named = problem(host, npm_config_userconfig=str(host.home), npm_config_globalconfig=f"{host.home}/.npmrc")
    finally:
        os.seteuid(0)
    assert config.registries.configured == ""
    assert [line for line in config.warnings if f"{host.home}/.npmrc is another user's" in line]
    assert "cannot be read" in named


def test_a_relative_store_starts_from_the_file_that_names_it(host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    host.write(project="store-dir=./s")
    assert host.load().store_dir == str(host.project / "s")
    host.write(project="", user="store-dir=s")
    assert host.load().store_dir == str(host.home / "s")


def test_a_relative_store_starts_from_the_working_folder_elsewhere(host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert host.load({"store-dir": "./s"}).store_dir == str(tmp_path / "s")
    assert host.load(npm_config_store_dir="./s").store_dir == str(tmp_path / "s")


def test_file_in_utf_16_is_an_error(host):
    host.write(project="registry=https://registry.example/".encode("utf-16"))
    assert "UTF-16" in problem(host)


def test_byte_order_mark_and_broken_utf_8_are_read(host):
    host.write(project=b"\xef\xbb\xbfoffline=true\n; \xff\n")
    assert host.load().offline is True


def test_relative_userconfig_starts_from_the_working_folder(host, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "u").write_text("tag=u")
    assert host.load({"userconfig": "u"}).settings["tag"] == "u"


# -- what is refused


def test_unset_variable_in_the_registry_is_an_error(host):
    host.write(project="; first\nregistry=${NPM_REG}\n")
    message = problem(host)
    assert f"{host.project}/.npmrc, line 2: ${{NPM_REG}}" in message
    assert "set the environment variable NPM_REG" in message


@pytest.mark.parametrize("registry", ["", "https://${UNSET}/", "registry.example", "file:///tmp/x"])
def test_unusable_registry_is_an_error_and_not_the_public_one(host, registry):
    host.write(project=f"registry={registry}")
    assert "registry cannot be used" in problem(host)


def test_wrong_value_is_named_with_its_place(host):
    host.write(user="\n\nfetch-retries = many\n")
    message = problem(host)
    assert "fetch-retries cannot be used: it must be a number" in message
    assert f"{host.home}/.npmrc, line 3: many" in message
    assert "environment variable NPM_CONFIG_MAXSOCKETS: x" in problem(
        host, NPM_CONFIG_MAXSOCKETS="x", flags={"fetch-retries": 1}
    )
    assert "flag --loglevel: loud" in problem(host, flags={"loglevel": "loud", "fetch-retries": 1})


@pytest.mark.parametrize("value", ["1" + "0" * 400, "0x" + "f" * 300, "1e308", str(2**53), "-1", "nan"])
@pytest.mark.parametrize("setting", ["fetch-retries", "fetch-timeout", "fetch-retry-factor", "min-release-age"])
def test_a_number_that_javascript_does_not_count_up_to_is_refused(host, setting, value):
    message = problem(host, flags={setting: value})
    assert f"{setting} cannot be used: it must be a number that is not negative" in message


@pytest.mark.parametrize("value", ["a\udcff", "a\0b"])
@pytest.mark.parametrize("setting", ["before", "ca", "cert", "git", "local-address", "os", "script-shell", "tag"])
def test_a_value_that_is_no_text_is_refused(host, setting, value):
    message = problem(host, flags={setting: value})
    assert f"{setting} cannot be used: it must be text in UTF-8" in message
    message.encode()


def test_wrong_value_that_is_overridden_does_no_harm(host):
    host.write(host="loglevel=loud")
    assert host.load({"loglevel": "warn"}).loglevel == "warn"


def test_all_problems_are_reported_at_once(host):
    host.write(project="registry=x\nstrict-ssl=no\n_auth=abc\n")
    with pytest.raises(ProblemsError) as raised:
        host.load()
    assert len(raised.value.problems) == 3


@pytest.mark.parametrize("key", ["_authToken", "_auth", "username", "_password", "_authtoken"])
@pytest.mark.parametrize("place", ["project", "user", "host"])
def test_credentials_without_host_are_refused_without_showing_them(host, key, place):
    host.write(project=f"registry={REGISTRY}")
    host.write(**{place: f"registry={REGISTRY}\n{key}=s3cret\n"})
    message = problem(host)
    assert "ERR_INVALID_AUTH" in message
    assert key in message
    assert "s3cret" not in message


def test_refused_credentials_are_to_be_renamed_for_the_default_registry(host):
    host.write(user="_authToken=x", project="registry=https://registry.example/npm/")
    assert "rename it to //registry.example/npm/:_authToken" in problem(host)


def test_password_in_a_refused_url_is_not_shown(host):
    assert "s3cret" not in problem(host, flags={"registry": "ftp://user:s3cret@registry.example/"})


def test_settings_that_exclude_each_other_are_an_error(host):
    host.write(project="save-dev=true")
    message = problem(host, flags={"save-peer": True})
    assert "exclude each other" in message
    assert f"{host.project}/.npmrc, line 1" in message
    assert host.load({"save-dev": True}, npm_config_save_peer="true").settings["save-peer"] is False


# -- what is kept and remarked


def test_unknown_settings_are_listed(host):
    host.write(
        project="foo=1\n//registry.example/:always-auth=true\naccess=public\n@a:registry=b\nemail=x\n[section]\na=1"
    )
    assert host.load().unknown == (
        f"{host.project}/.npmrc, line 1: foo",
        f"{host.project}/.npmrc, line 2: //registry.example/:always-auth",
        f"{host.project}/.npmrc, line 0: section",
    )


def test_unset_variable_in_a_token_stays_literal_with_a_warning(host):
    host.write(project="registry=https://registry.example/\n//registry.example/:_authToken=${NPM_TOKEN}")
    config = host.load()
    assert config.registries.credential_for(REGISTRY).authorization == "Bearer ${NPM_TOKEN}"
    assert len(config.warnings) == 1
    assert "NPM_TOKEN, which is not set" in config.warnings[0]
    assert host.load(NPM_TOKEN="t").registries.credential_for(REGISTRY).authorization == "Bearer t"


def test_variables_in_names_are_expanded(host):
    host.write(project="${SCOPE}:registry=https://corp.example\n//${HOST}/:_authToken=t")
    config = host.load(SCOPE="@corp", HOST="corp.example")
    registry = config.registries.for_package("@corp/a")
    assert registry == "https://corp.example/"
    assert config.registries.credential_for(registry).authorization == "Bearer t"


def test_scope_without_usable_registry_harms_only_its_own_packages(host):
    host.write(project="@corp:registry=${CORP}\nregistry=https://registry.example/")
    registries = host.load().registries
    assert registries.for_package("a") == REGISTRY
    with pytest.raises(ConfigError, match="@corp") as raised:
        registries.for_package("@corp/a")
    assert f"{host.project}/.npmrc, line 1: ${{CORP}}" in str(raised.value)


def test_missing_cafile_is_ignored_with_a_warning(host):
    host.write(user="cafile=~/ca.pem")
    config = host.load()
    assert config.cafile == ""
    assert str(host.home / "ca.pem") in config.warnings[0]
    (host.home / "ca.pem").write_text("")
    assert host.load().cafile == str(host.home / "ca.pem")


@pytest.mark.parametrize(
    "key",
    [
        "//registry.example/:_authtoken",
        "https://registry.example/:_authToken",
        "registry.example/:_authToken",
        "@corp:_authToken",
        "//registry.example/:authToken",
    ],
)
def test_what_looks_like_a_credential_and_is_none_is_told_without_the_secret(host, key):
    host.write(project=f"{key}=s3cret")
    (warning,) = host.load().warnings
    assert f"{host.project}/.npmrc, line 1: {key} is no credential" in warning
    assert "s3cret" not in warning


@pytest.mark.parametrize("field", ["certfile", "keyfile"])
def test_a_client_certificate_that_is_not_there_is_told(host, field):
    host.write(user=f"//registry.example/:{field}=${{HOME}}/client.pem")
    assert f"{field} {host.home}/client.pem does not exist" in host.load().warnings[0]
    (host.home / "client.pem").write_text("")
    assert host.load().warnings == ()


def test_stronger_of_ca_and_cafile_counts(host):
    (host.home / "ca.pem").write_text("")
    host.write(user="cafile=~/ca.pem", project='ca[]="a\\nb"\nca[]="c"')
    config = host.load()
    assert (config.cafile, config.ca) == ("", ("a\nb", "c"))
    config = host.load(npm_config_cafile=str(host.home / "ca.pem"))
    assert (config.cafile, config.ca) == (str(host.home / "ca.pem"), ())


def test_secrets_are_in_no_text_form(host):
    host.write(
        user="key=s3cret\ncert=s3cret\n//registry.example/:_authToken=s3cret\nproxy=http://u:s3cret@proxy.example"
    )
    config = host.load()
    assert config.key == "s3cret"
    assert "s3cret" not in f"{config!r} {config.registries!r} {config.proxies!r}"


# -- computed settings


def test_git_is_taken_from_everywhere_but_the_project(host):
    assert host.load().git == "git"
    host.write(user="git=/opt/git", project="git=./evil")
    config = host.load()
    assert (config.git, config.warnings) == (
        "/opt/git",
        (f"{host.project}/.npmrc, line 1: git is not taken from a project's .npmrc",),
    )
    assert host.load(npm_config_git="other").git == "other"
    assert host.load({"git": "flag"}).git == "flag"


def test_store_lies_in_the_users_cache_folder(host, tmp_path):
    assert host.load().store_dir == str(host.home / ".cache" / "pmpipe")
    assert host.load(XDG_CACHE_HOME=f"{tmp_path}/cache").store_dir == f"{tmp_path}/cache/pmpipe"
    assert host.load(XDG_CACHE_HOME="relative").store_dir == str(host.home / ".cache" / "pmpipe")
    assert host.load().warnings == ()
    host.write(project="store-dir=~/s")
    assert host.load(XDG_CACHE_HOME=f"{tmp_path}/cache").store_dir == str(host.home / "s")


def test_store_of_a_user_without_a_home_is_among_the_temporary_files(host, tmp_path):
    place = tmp_path / f"pmpipe-{os.geteuid()}"
    for _ in range(2):  # the second time it is there
        config = host.load(HOME="/dev/null", TMPDIR=str(tmp_path))
        assert config.store_dir == str(place)
        assert config.warnings == (
            f"no store can be made at /dev/null/.cache/pmpipe; it is at {place} (--store-dir sets another place)",
        )
        assert place.stat().st_mode & 0o777 == 0o700
    assert host.load(HOME="/dev/null", TMPDIR=str(tmp_path), npm_config_store_dir="/s").warnings == ()


@pytest.mark.parametrize("spoil", [Path.touch, lambda place: place.symlink_to("/"), lambda place: place.mkdir()])
def test_a_place_where_others_can_write_is_not_taken(host, tmp_path, spoil):
    place = tmp_path / f"pmpipe-{os.geteuid()}"
    spoil(place)
    if place.is_dir() and not place.is_symlink():
        place.chmod(0o777)
    config = host.load(HOME="/dev/null", TMPDIR=str(tmp_path))
    assert (config.store_dir, config.warnings) == ("/dev/null/.cache/pmpipe", ())


@pytest.mark.root
def test_a_folder_of_somebody_else_is_not_taken(host, tmp_path):
    place = tmp_path / f"pmpipe-{os.geteuid()}"
    place.mkdir(0o700)
    os.chown(place, 12345, 12345)
    assert host.load(HOME="/dev/null", TMPDIR=str(tmp_path)).store_dir == "/dev/null/.cache/pmpipe"


def test_a_store_that_is_there_is_used_even_if_nothing_can_be_written(host, tmp_path):
    (host.home / ".cache").mkdir()
    (host.home / ".cache" / "pmpipe").symlink_to("/nonexistent")
    assert host.load(TMPDIR=str(tmp_path)).store_dir == str(host.home / ".cache" / "pmpipe")


def test_home_is_relative_to_the_working_folder_or_the_root(host, monkeypatch):
    monkeypatch.chdir(host.home)
    (host.home / ".npmrc").write_text("tag=here")
    assert host.load(HOME=".").settings["tag"] == "here"
    assert host.load(HOME=".").store_dir == str(host.home / ".cache" / "pmpipe")
    monkeypatch.delenv("HOME")
    monkeypatch.setattr(os, "getuid", lambda: 4_000_000_123)
    assert host.load(HOME="").cache == "/.npm"


def test_an_empty_home_is_as_if_it_were_not_set(host, monkeypatch):
    monkeypatch.setenv("HOME", "")
    assert host.load(HOME="").cache == f"{pwd.getpwuid(os.getuid()).pw_dir}/.npm"


def test_settings_and_fields_agree(host):
    config = host.load({"omit": ["peer"], "lockfile-version": "2", "shrinkwrap": False})
    names = set(Config.__struct_fields__)
    for name, field in fields_of_settings():
        if field in names:
            assert config.settings[name] == getattr(config, field), name
    assert (config.lockfile_version, config.package_lock) == (2, False)


def test_fetch_timeout_zero_means_thirty_seconds(host):
    assert host.load({"fetch-timeout": 0}).fetch_timeout == 30_000


def test_reading_settings_loads_no_heavy_module():
    loaded = modules_loaded_by(
        "import functools; from pmpipe.settings.config import Config\n"
        "Config.load({}, {'HOME': '/nowhere', 'PATH': ''}, '/nowhere')"
    )
    assert "pmpipe.settings.config" in loaded
    assert not loaded & {
        "json",
        "pathlib",
        "socket",
        "subprocess",
        "urllib.request",
        "packageurl",
        "psutil",
        "shutil",
        "asyncio",
    }


# -- npm is the judge

TREES = [
    # project, user, global, environment, arguments
    ("", "", "", {}, {}),
    ("registry=https://registry.example", "", "", {}, {}),
    ("registry=https://${HOST}/npm/", "registry=https://b.example", "", {"HOST": "registry.example:8443"}, {}),
    ("omit[]=dev\nomit[]=peer", "", "", {}, {}),
    ("omit=dev", "include=dev", "", {}, {}),
    ("include[]=dev", "omit[]=dev\nomit[]=optional", "", {}, {}),
    ("", "production=true", "", {}, {}),
    ("", "production=true", "", {}, {"production": False}),
    ("", "production=true", "", {}, {"omit": ["optional"]}),
    ("production=false", "", "", {"NODE_ENV": "production"}, {}),
    ("", "", "", {"NODE_ENV": "production"}, {}),
    ("", "", "", {"NODE_ENV": "production"}, {"include": ["dev"]}),
    ("only=prod", "also=dev", "", {}, {}),
    ("also=development", "only=production", "", {}, {}),
    ("dev=false", "dev=true", "omit=dev", {}, {}),
    ("optional=false", "", "", {}, {}),
    ("optional=false", "", "", {"npm_config_optional": "true"}, {}),
    ("omit=optional", "optional=true", "", {"npm_config_omit": "dev\n\npeer"}, {}),
    ("global-style=true", "install-strategy=nested", "", {}, {}),
    ("install-strategy=linked", "legacy-bundling=true", "", {}, {}),
    ("legacy-bundling=true\ninstall-strategy=linked", "", "", {}, {}),
    ("global-style=true\nlegacy-bundling=true", "", "", {}, {"install-strategy": "hoisted"}),
    ("shrinkwrap=false", "", "", {}, {}),
    ("shrinkwrap=false\npackage-lock=true", "", "", {}, {}),
    ("package-lock=true", "shrinkwrap=false", "", {}, {}),
    ("package-lock=false\npackage-lock-only", "", "", {}, {}),
    ("strict-ssl=false\noffline\nprefer-offline=null\nforce=1", "", "", {}, {}),
    ("strict-ssl=null", "strict-ssl=false", "", {}, {}),
    ("strict-ssl=${NOT?}\nprefer-offline=null", "", "", {}, {}),
    ("strict-ssl=undefined", "", "", {}, {}),
    ("strict-ssl=", "", "", {}, {}),
    ("strict-ssl=True\noffline=yes\nprefer-offline=${NOT?}\nforce=", "", "", {}, {}),
    ("fetch-retries=null\nmaxsockets=${N}\nomit=", "", "", {"N": "7"}, {}),
    ("", "", "", {"npm_config_cache": "\\${HOME}/c", "npm_config_offline": "", "NPM_CONFIG_FORCE": "1"}, {}),
    ("os=\"darwin\" ; no comment\ncpu='a;b'\nlibc=a\\;b", "", "", {}, {}),
    ("strict-ssl=null\nengine-strict=${FLAG}", "", "", {"FLAG": "false"}, {}),
    ("fetch-retries=0x5\nfetch-retry-factor=1.5\nmaxsockets=1e2", "fetch-timeout=12", "", {}, {}),
    ("fetch-retry-mintimeout=5\nfetch-retry-maxtimeout=${MAX}", "", "", {"MAX": "77"}, {}),
    ("noproxy=a.example\nnoproxy[]=b.example", "proxy=http://proxy.example:8080", "", {}, {}),
    ("https-proxy=http://u:p@proxy.example:3128/x", "", "noproxy=a,b", {}, {}),
    ("proxy=null", "proxy=http://proxy.example:8080", "", {}, {}),
    ("proxy=false", "", "", {}, {}),
    ('ca="-----BEGIN\\nx"', "", "", {}, {}),
    ("ca[]=a\nca[]=b", "", "", {}, {}),
    ("cert=null\nkey=x;y", "cert=c", "", {}, {}),
    ("os=darwin\ncpu=arm64\nlibc=musl", "", "", {}, {}),
    ("lockfile-version=2", "", "", {}, {}),
    ("loglevel=silly\nsave-exact=true", "save-prefix=~", "", {}, {}),
    ("save-prefix=\nbin-links=false\nignore-scripts=true", "", "", {}, {}),
    ("//registry.example/:_authToken=${T}\n//${H}/:_auth=${U?}x", "", "", {"T": "t", "H": "h.example"}, {}),
    ("@a:registry=https://a.example\n@b:registry=${B}", "@a:registry=https://b.example", "", {}, {}),
    ("workspace=a\nworkspace[]=b", "workspaces=true", "", {}, {}),
    ("", "cache=~/c", "", {"npm_config_cache": "../d"}, {}),
    ("_auth=x", "", "", {}, {}),
    ("", "username=x", "", {}, {}),
    ("", "", "-authtoken=x", {}, {}),
    ("_auth=", "", "", {}, {}),
    ("", "", "", {"npm_config__auth": "x"}, {}),
    ("save-dev=true", "save-peer=true", "", {}, {}),
    ("", "", "", {"npm_config_save_dev": "true"}, {"save-optional": True}),
    ("registry=${UNSET}", "", "", {}, {}),
]


def arguments_of(flags):
    for name, value in flags.items():
        for item in value if isinstance(value, list) else [value]:
            yield f"--{name}={str(item).lower() if isinstance(item, bool) else item}"


def our_view(config):
    return {
        "registry": config.registries.default,
        "omit": list(config.omit),
        "include": list(config.include),
        "installStrategy": config.install_strategy,
        "packageLock": config.package_lock,
        "strictSSL": config.strict_ssl,
        "offline": config.offline,
        "preferOffline": config.prefer_offline,
        "force": config.force,
        "engineStrict": config.engine_strict,
        "retry": {
            "retries": config.fetch_retries,
            "factor": config.fetch_retry_factor,
            "minTimeout": config.fetch_retry_mintimeout,
            "maxTimeout": config.fetch_retry_maxtimeout,
        },
        "timeout": config.fetch_timeout,
        "maxSockets": config.maxsockets,
        "proxy": config.proxies.configured,
        "noProxy": ",".join(config.proxies.excluded),
        "ca": list(config.ca),
        "cert": config.cert,
        "key": config.key,
        "os": config.os,
        "cpu": config.cpu,
        "libc": config.libc,
        "lockfileVersion": config.lockfile_version,
        "savePrefix": "" if config.save_exact else config.save_prefix,
        "binLinks": config.bin_links,
        "ignoreScripts": config.ignore_scripts,
        "replaceRegistryHost": config.registries.replace_host,
        "loglevel": config.loglevel,
        "workspace": list(config.workspace),
        "workspaces": config.workspaces,
        "cache": config.cache,
        "userconfig": config.userconfig,
        "globalconfig": config.globalconfig,
        "prefix": config.prefix,
        "scoped": {
            **{f"{scope}:registry": registry.text for scope, registry in config.registries.by_scope.items()},
            **config.registries.auth,
        },
    }


def npm_view(answer):
    flat = answer["flat"]
    view = {**flat, **answer["get"]}
    proxy = urlsplit(flat.get("httpsProxy") or flat.get("proxy") or "")
    # of a proxy only the address counts; libcurl and Node.js disagree about a path
    view["proxy"] = f"{proxy.scheme}://{proxy.netloc}" if proxy.scheme else ""
    view["ca"] = flat["ca"] or []
    view["lockfileVersion"] = None if flat["lockfileVersion"] is None else int(flat["lockfileVersion"])
    view["cache"] = os.path.dirname(flat["cache"])
    view["scoped"] = {key: value for key, value in flat.items() if key.startswith(("//", "@"))}
    view.setdefault("installStrategy", "hoisted")
    return view


@pytest.mark.npm
def test_settings_are_those_that_npm_sees(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    questions, ours = [], []
    for number, (project, user, global_, environ, flags) in enumerate(TREES):
        host = Host(tmp_path / str(number))
        host.write(project=project, user=user, host=global_)
        monkeypatch.chdir(host.project)
        full = {**host.environ, **environ}
        questions.append({"ask": "config", "cwd": str(host.project), "env": full, "argv": list(arguments_of(flags))})
        try:
            ours.append(our_view(Config.load(flags, full, str(host.project))))
        except ConfigError:
            ours.append("error")
    answers = ask_npm("ask_config.cjs", questions)
    for tree, answer, view in zip(TREES, answers, ours, strict=True):
        if "error" in answer:
            assert view == "error", tree
        else:
            assert view != "error", tree
            expected = npm_view(answer)
            assert view == {name: expected[name] for name in view}, tree
