// Answers what npm makes of a package's bin, in a lockfile and in a package.json on disk; see asking_npm.py.
'use strict'
const path = require('node:path')
const PackageJson = require(path.join(process.argv[2], '@npmcli/package-json'))
const normalizeBin = require(path.join(process.argv[2], 'npm-normalize-package-bin'))

const answer = async (line) => {
  const read = new PackageJson()
  read.fromContent(JSON.parse(line))
  await read.normalize()
  return {
    in_lockfile: normalizeBin(JSON.parse(line)).bin || {},
    on_disk: normalizeBin(read.content).bin || {},
  }
}

const main = async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(line)))
  }
}
main()
