// Answers what patterns match in npm's own minimatch, with the options of npm-packlist; see asking_npm.py.
'use strict'
const path = require('node:path')
const { Minimatch } = require(path.join(process.argv[2], 'minimatch'))

const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const { pattern, paths } = JSON.parse(line)
  const rule = new Minimatch(pattern, { matchBase: true, dot: true, flipNegate: true, nocase: true })
  return JSON.stringify({
    negated: rule.negate,
    relative: rule.globParts.some((part) => part.length <= (part.slice(-1)[0] ? 1 : 2)),
    full: paths.filter((one) => rule.match(one)),
    partial: paths.filter((one) => rule.match(one, true)),
  }) + '\n'
}).join(''))
