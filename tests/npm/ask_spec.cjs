// Answers what npm makes of specs and names, with npm's own modules; see asking_npm.py.
'use strict'
const path = require('node:path')
const npa = require(path.join(process.argv[2], 'npm-package-arg'))
const validateName = require(path.join(process.argv[2], 'validate-npm-package-name'))

process.env.HOME = '/home/user'
// npm-package-arg warns of unknown keys behind a "#" through this event, which nobody listens to here
const fields = (spec) => spec && ({
  type: spec.type,
  name: spec.name || null,
  raw: spec.raw,
  rawSpec: spec.rawSpec,
  fetchSpec: spec.fetchSpec ?? null,
  saveSpec: spec.saveSpec ?? null,
  committish: spec.gitCommittish ?? null,
  range: spec.gitRange ?? null,
  subdirectory: spec.gitSubdir ?? null,
  hosted: spec.hosted ? hostedFields(spec.hosted) : null,
  subSpec: fields(spec.subSpec) ?? null,
})
const hostedFields = (hosted) => {
  const whole = { noGitPlus: false, noCommittish: false }
  return {
    host: hosted.type,
    user: hosted.user,
    auth: hosted.auth,
    project: hosted.project,
    committish: hosted.committish,
    shortcut: hosted.shortcut(whole),
    ssh: hosted.ssh(whole),
    sshUrl: hosted.sshurl(whole),
    httpsUrl: hosted.https(whole),
    gitUrl: hosted.git(whole),
    tarballUrl: hosted.tarball(),
  }
}
const answers = {
  dependency: ({ name, spec, where }) => fields(npa.resolve(name, spec, where)),
  argument: ({ text, where }) => fields(npa(text, where)),
  name: ({ name }) => {
    const valid = validateName(name)
    return { old: valid.validForOldPackages, errors: (valid.errors ?? []).length }
  },
}

const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const question = JSON.parse(line)
  let answer
  try {
    answer = answers[question.kind](question)
  } catch (error) {
    answer = 'error'
  }
  return JSON.stringify(answer) + '\n'
}).join(''))
