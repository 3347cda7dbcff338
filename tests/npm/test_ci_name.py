"""Which service for continuous integration the environment tells of."""

from __future__ import annotations

import pytest
from asking_npm import ask_npm

from pmpipe.npm.config.ci_name import _SERVICES, ci_token

GITHUB = {"CI": "true", "GITHUB_ACTIONS": "true"}

ENVIRONMENTS = [
    {},
    {"CI": "true"},
    {"CI": "false", "GITLAB_CI": "1"},
    {"CI": "woodpecker"},
    {"GITLAB_CI": ""},
    {"JENKINS_URL": "x"},
    {"JENKINS_URL": "x", "BUILD_ID": "1"},
    {"NODE": "/app/.heroku/node/bin/node/x"},
    {"NODE": "/usr/bin/node"},
    {"CI_NAME": "codeship"},
    {"CI_NAME": "other"},
    {"GITHUB_ACTIONS": "true", "TRAVIS": "1"},
    GITHUB,
    {**GITHUB, "GITHUB_SERVER_URL": "https://github.com", "RUNNER_ENVIRONMENT": "github-hosted"},
    {**GITHUB, "GITHUB_SERVER_URL": "https://GitHub.com ", "RUNNER_ENVIRONMENT": "self-hosted"},
    {**GITHUB, "GITHUB_SERVER_URL": "https://github.com", "RUNNER_ENVIRONMENT": "other"},
    {**GITHUB, "GITHUB_SERVER_URL": "https://a.ghe.com"},
    {**GITHUB, "GITHUB_SERVER_URL": "https://git.example"},
    {**GITHUB, "GITHUB_SERVER_URL": "no address"},
    *({name.partition("=")[0].partition("~")[0]: "1" for name in wanted.split()} for _, wanted in _SERVICES),
]


@pytest.mark.parametrize(
    ("environ", "token"),
    [
        ({}, ""),
        ({"GITLAB_CI": "true"}, "ci/gitlab-ci"),
        ({"CI": "false", "GITLAB_CI": "true"}, ""),
        ({"JENKINS_URL": "x"}, ""),
        ({"CI": "woodpecker"}, "ci/woodpecker"),
        ({"GITHUB_ACTIONS": "true", "GITHUB_SERVER_URL": "https://[", "TRAVIS": ""}, "ci/github-actions"),
        ({**GITHUB, "GITHUB_SERVER_URL": "https://git.example"}, "ci/github-actions/ghes"),
    ],
)
def test_a_service_is_known_by_its_variables(environ, token):
    assert ci_token(environ) == token


@pytest.mark.npm
def test_the_service_is_the_one_that_npm_sees(tmp_path):
    questions = [
        {
            "ask": "config",
            "cwd": str(tmp_path),
            "env": {**environ, "HOME": str(tmp_path)},
            "argv": ["--user-agent={ci}"],
        }
        for environ in ENVIRONMENTS
    ]
    for environ, answer in zip(ENVIRONMENTS, ask_npm("ask_config.cjs", questions), strict=True):
        assert ci_token(environ) == answer["flat"]["userAgent"], environ
