// Unpacks tarballs as npm does, with npm's own pacote, and treats executables as its bin-links does; see asking_npm.py.
'use strict'
// first of all: pacote's modules make the standard input non-blocking
const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
const path = require('node:path')
const Arborist = require(path.join(process.argv[2], '@npmcli', 'arborist'))
const pacote = require(path.join(process.argv[2], 'pacote'))
const fixBin = require(path.join(process.argv[2], 'bin-links', 'lib', 'fix-bin.js'))

// question: { tarball: a file or a folder to be packed, destination, cache, bins: paths of executables };
// answer: null or the error's message
const unpack = async ({ tarball, destination, cache, bins }) => {
  await pacote.extract(`file:${tarball}`, destination, { cache, Arborist, ignoreScripts: true })
  for (const bin of bins) {
    await fixBin(path.join(destination, bin), 0o755)
  }
  return null
}

const main = async () => {
  process.umask(0o022)
  for (const line of lines) {
    const answer = await unpack(JSON.parse(line)).catch((error) => error.message)
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}
main()
