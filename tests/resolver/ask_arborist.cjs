// Answers the lockfile that npm's arborist would write for a folder, or its error's code; one JSON line for each.
'use strict'
const path = require('node:path')
const Arborist = require(path.join(process.argv[2], '@npmcli/arborist'))

const answer = async ({ folder, registry, cache, options }) => {
  try {
    const arborist = new Arborist({
      path: folder,
      registry,
      cache,
      complete: true,
      fetchRetries: 0,
      nodeVersion: process.version,
      npmVersion: '11.0.0',
      omit: [],
      packageLockOnly: true,
      packumentCache: new Map(),
      save: true,
      usePackageLock: true,
      workspaces: [],
      workspacesEnabled: true,
      ...options,
    })
    const tree = await arborist.buildIdealTree({ complete: true })
    return { lock: tree.meta.toString() }
  } catch (error) {
    return { error: error.code || String(error) }
  }
}

const main = async () => {
  for await (const line of require('node:readline').createInterface({ input: process.stdin })) {
    console.log(JSON.stringify(await answer(JSON.parse(line))))
  }
}
main()
