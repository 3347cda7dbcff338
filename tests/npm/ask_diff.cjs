// Answers what jsdiff, which comes with npm, makes of texts and diffs; see asking_npm.py.
'use strict'
const path = require('node:path')
const { applyPatch, parsePatch } = require(path.join(process.argv[2], 'diff'))

const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const { text, diff } = JSON.parse(line)
  let answer = null
  try {
    answer = parsePatch(diff)
      .filter((file) => file.hunks.length || file.oldFileName || file.newFileName)
      .map((file) => applyPatch(text, file, { fuzzFactor: 0 }))
  } catch {
    // it cannot be read
  }
  return JSON.stringify(answer) + '\n'
}).join(''))
