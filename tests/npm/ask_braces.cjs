// Answers what patterns expand to in npm's own minimatch; see asking_npm.py.
'use strict'
const path = require('node:path')
const { minimatch } = require(path.join(process.argv[2], 'minimatch'))

const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const { text, most } = JSON.parse(line)
  return JSON.stringify(minimatch.braceExpand(text, { braceExpandMax: most })) + '\n'
}).join(''))
