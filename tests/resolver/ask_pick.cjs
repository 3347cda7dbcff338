// Answers which version npm picks from a packument, or the code of its refusal; see asking.py.
'use strict'
const path = require('node:path')
const pick = require(path.join(process.argv[2], 'npm-pick-manifest'))

const answer = ({ packument, wanted, options }) => {
  try {
    return pick(packument, wanted, options).version
  } catch (error) {
    return error.code
  }
}

const main = async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(answer(JSON.parse(line))))
  }
}
main()
