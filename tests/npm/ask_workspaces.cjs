// Asks npm's map-workspaces which folders are workspaces. One question per line: {path}; see asking_npm.py.
'use strict'

const fs = require('node:fs')
const path = require('node:path')
const readline = require('node:readline')
const mapWorkspaces = require(path.join(process.argv[2], '@npmcli', 'map-workspaces'))

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    const { path: cwd } = JSON.parse(line)
    const pkg = JSON.parse(fs.readFileSync(path.join(cwd, 'package.json'), 'utf8'))
    let answer
    try {
      const found = await mapWorkspaces({ cwd, pkg })
      answer = { found: [...found].map(([name, folder]) => [name, path.relative(cwd, folder)]).sort() }
    } catch (error) {
      answer = { code: error.code }
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}

main()
