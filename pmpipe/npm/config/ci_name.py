"""Which service for continuous integration this is, by the variables that it sets: for the ``{ci}`` of ``user-agent``.

Source: npm's ``ci-info`` and the ``user-agent`` of its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import urlsplit

#: A service, and what it sets: variables that are not empty, of which all have to be there; ``NAME=text``: that text;
#: ``NAME~text``: text with that in it.
#: Of several that fit the last one counts.
_SERVICES = (
    ("Agola CI", "AGOLA_GIT_REF"),
    ("Alpic", "ALPIC_HOST"),
    ("Appcircle", "AC_APPCIRCLE"),
    ("AppVeyor", "APPVEYOR"),
    ("AWS CodeBuild", "CODEBUILD_BUILD_ARN"),
    ("Azure Pipelines", "TF_BUILD"),
    ("Bamboo", "bamboo_planKey"),
    ("Bitbucket Pipelines", "BITBUCKET_COMMIT"),
    ("Bitrise", "BITRISE_IO"),
    ("Buddy", "BUDDY_WORKSPACE_ID"),
    ("Buildkite", "BUILDKITE"),
    ("CircleCI", "CIRCLECI"),
    ("Cirrus CI", "CIRRUS_CI"),
    ("Cloudflare Pages", "CF_PAGES"),
    ("Cloudflare Workers", "WORKERS_CI"),
    ("Codefresh", "CF_BUILD_ID"),
    ("Codemagic", "CM_BUILD_ID"),
    ("Codeship", "CI_NAME=codeship"),
    ("Drone", "DRONE"),
    ("dsari", "DSARI"),
    ("Earthly", "EARTHLY_CI"),
    ("Expo Application Services", "EAS_BUILD"),
    ("Gerrit", "GERRIT_PROJECT"),
    ("Gitea Actions", "GITEA_ACTIONS"),
    ("GitHub Actions", "GITHUB_ACTIONS"),
    ("GitLab CI", "GITLAB_CI"),
    ("GoCD", "GO_PIPELINE_LABEL"),
    ("Google Cloud Build", "BUILDER_OUTPUT"),
    ("Harness CI", "HARNESS_BUILD_ID"),
    ("Heroku", "NODE~/app/.heroku/node/bin/node"),
    ("Hudson", "HUDSON_URL"),
    ("Jenkins", "JENKINS_URL BUILD_ID"),
    ("LayerCI", "LAYERCI"),
    ("Magnum CI", "MAGNUM"),
    ("Netlify CI", "NETLIFY"),
    ("Nevercode", "NEVERCODE"),
    ("Prow", "PROW_JOB_ID"),
    ("ReleaseHub", "RELEASE_BUILD_ID"),
    ("Render", "RENDER"),
    ("Sail CI", "SAILCI"),
    ("Screwdriver", "SCREWDRIVER"),
    ("Semaphore", "SEMAPHORE"),
    ("Sourcehut", "CI_NAME=sourcehut"),
    ("Strider CD", "STRIDER"),
    ("TaskCluster", "TASK_ID RUN_ID"),
    ("TeamCity", "TEAMCITY_VERSION"),
    ("Travis CI", "TRAVIS"),
    ("Vela", "VELA"),
    ("Vercel", "NOW_BUILDER"),
    ("Vercel", "VERCEL"),
    ("Visual Studio App Center", "APPCENTER_BUILD_ID"),
    ("Woodpecker", "CI=woodpecker"),
    ("Xcode Cloud", "CI_XCODE_PROJECT"),
    ("Xcode Server", "XCS"),
)


def ci_token(environ: Mapping[str, str]) -> str:
    """``ci/`` and the service's name, as npm writes it; empty where there is none."""
    if environ.get("CI") == "false":
        return ""
    name = next((name for name, wanted in reversed(_SERVICES) if _is_set(wanted, environ)), "")
    if not name:
        return ""
    token = f"ci/{name.lower().replace(' ', '-')}"
    kind = _kind_of_github(environ) if environ.get("GITHUB_ACTIONS") else ""
    return f"{token}/{kind}" if kind else token


def _is_set(wanted: str, environ: Mapping[str, str]) -> bool:
    for variable in wanted.split():
        name, equals, text = variable.partition("=")
        name, contains, part = name.partition("~")
        value = environ.get(name)
        if not value or (equals and value != text) or (contains and part not in value):
            return False
    return True


def _kind_of_github(environ: Mapping[str, str]) -> str:
    host = _host_of(environ.get("GITHUB_SERVER_URL", "").strip())
    if host == "github.com":
        runner = environ.get("RUNNER_ENVIRONMENT", "").strip()
        return {"github-hosted": "dotcom-hosted", "self-hosted": "dotcom-selfhosted"}.get(runner, "dotcom")
    if host == "ghe.com" or host.endswith(".ghe.com"):
        return "ghecom"
    return "ghes" if host else ""


def _host_of(address: str) -> str:
    try:
        return (urlsplit(address).hostname or "").lower()
    except ValueError:
        return ""
