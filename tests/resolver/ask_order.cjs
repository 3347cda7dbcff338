// Answers how npm sorts a list of texts, and how it writes a JSON value as a lockfile; see asking.py.
'use strict'
const path = require('node:path')
const compare = require(path.join(process.argv[2], '@isaacs/string-locale-compare'))('en')
const stringify = require(path.join(process.argv[2], 'json-stringify-nice'))
const keys = ['name', 'version', 'lockfileVersion', 'resolved', 'integrity', 'requires', 'packages', 'dependencies']

const answer = ({ texts, value }) => (texts ? texts.sort(compare) : stringify(value, keys, 2))

const main = async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(answer(JSON.parse(line))))
  }
}
main()
