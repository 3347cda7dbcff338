// Answers questions about versions and ranges with npm's own semver module; see asking_npm.py.
'use strict'
const path = require('node:path')
const semver = require(path.join(process.argv[2], 'semver'))

const modes = [
  { loose: true },
  { loose: true, includePrerelease: true },
  {},
  { includePrerelease: true },
]
const caught = (work) => {
  try {
    return work()
  } catch (error) {
    return 'error'
  }
}
const answers = {
  // for each mode: the printed range, and a 1 or 0 for each version; in the rarer modes only for the first five
  range: ({ range, versions }) => modes.map((mode, index) => {
    const asked = index === 0 ? versions : versions.slice(0, 5)
    return {
      printed: semver.validRange(range, mode),
      satisfied: asked.map((version) => semver.satisfies(version, range, mode) ? '1' : '0').join(''),
      highest: semver.maxSatisfying(asked, range, mode),
    }
  }),
  version: ({ version, other }) => [true, false].map((loose) => ({
    printed: semver.valid(version, { loose }),
    order: caught(() => semver.compare(version, other, { loose })),
  })),
  relation: ({ first, second }) => modes.map((mode) => ({
    intersects: caught(() => semver.intersects(first, second, mode)),
    subset: caught(() => semver.subset(first, second, mode)),
  })),
}

const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const question = JSON.parse(line)
  return JSON.stringify(answers[question.kind](question)) + '\n'
}).join(''))
