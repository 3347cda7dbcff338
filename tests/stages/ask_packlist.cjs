// Answers which files npm packs of a folder, with npm's own npm-packlist; see asking_npm.py.
'use strict'
const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
const path = require('node:path')
const Arborist = require(path.join(process.argv[2], '@npmcli', 'arborist'))
const packlist = require(path.join(process.argv[2], 'npm-packlist'))

// question: the folder; answer: sorted paths
const main = async () => {
  for (const line of lines) {
    const folder = JSON.parse(line)
    const tree = await new Arborist({ path: folder }).loadActual()
    const files = await packlist(tree, { path: folder })
    process.stdout.write(JSON.stringify(files.map((file) => path.normalize(file)).sort()) + '\n')
  }
}
main()
