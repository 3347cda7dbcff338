// Asks arborist what `npm ci` would make of a project's folder: what it refuses, what it installs, and the hidden lockfile.
// One JSON question per line: {path, options}; one JSON answer per line; see asking_npm.py.
'use strict'

const path = require('node:path')
const readline = require('node:readline')

const modules = process.argv[2]
const Arborist = require(path.join(modules, '@npmcli', 'arborist'))
const validateLockfile = require(path.join(modules, '..', 'lib', 'utils', 'validate-lockfile.js'))

async function answer ({ path: folder, options }) {
  const opts = {
    path: folder,
    save: false,
    packageLock: true,
    audit: false,
    fund: false,
    ignoreScripts: true,
    dryRun: true,
    fetchRetry: { retries: 0 },
    cache: path.join(folder, '..', 'npm-cache'),
    npmVersion: '11.0.0',
    ...options,
  }
  const virtual = new Arborist(opts)
  await virtual.loadVirtual()
  const locked = new Map(virtual.virtualTree.inventory)
  const ideal = new Arborist(opts)
  await ideal.buildIdealTree()
  const errors = validateLockfile(locked, ideal.idealTree.inventory)
  if (errors.length) {
    return { errors }
  }
  await ideal.reify(opts)
  return { errors, hidden: ideal.actualTree.meta.toString() }
}

async function main () {
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let result
    try {
      result = await answer(JSON.parse(line))
    } catch (error) {
      result = { code: error.code || 'ERROR', message: error.message }
    }
    process.stdout.write(JSON.stringify(result) + '\n')
  }
}

main()
