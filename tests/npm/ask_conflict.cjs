// Asks parse-conflict-json what it makes of a text: {document}, or {error}. One JSON text per line; see asking_npm.py.
'use strict'

const path = require('node:path')
const readline = require('node:readline')
const parse = require(path.join(process.argv[2], 'parse-conflict-json'))

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let result
    try {
      result = { document: parse(JSON.parse(line)) }
    } catch (error) {
      result = { error: error.message }
    }
    console.log(JSON.stringify(result))
  }
}
main()
