// What npm makes of a package.json: adds, removes and saves as arborist does, and gives the file's text back.
const { createInterface } = require('node:readline')
const { mkdtempSync, readFileSync, rmSync, writeFileSync } = require('node:fs')
const { tmpdir } = require('node:os')
const { join } = require('node:path')

const modules = process.argv[2]
const PackageJson = require(join(modules, '@npmcli/package-json'))
const changes = require(join(modules, '@npmcli/arborist/lib/add-rm-pkg-deps.js'))

const answer = async ({ text, add, rm, saveType, saveBundle }) => {
  const folder = mkdtempSync(join(tmpdir(), 'ask-manifest-'))
  try {
    writeFileSync(join(folder, 'package.json'), text)
    const { content: pkg } = await PackageJson.normalize(folder)
    if (add) {
      changes.add({ pkg, add, saveType, saveBundle })
    }
    if (rm) {
      changes.rm(pkg, rm)
    }
    const file = await PackageJson.load(folder)
    const { dependencies = {}, devDependencies = {}, optionalDependencies = {}, peerDependencies = {} } = pkg
    const { bundleDependencies } = pkg
    file.update({ dependencies, devDependencies, optionalDependencies, peerDependencies, bundleDependencies })
    await file.save()
    delete pkg._id
    return { text: readFileSync(join(folder, 'package.json'), 'utf8'), pkg }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

let last = Promise.resolve()
createInterface({ input: process.stdin }).on('line', line => {
  last = last.then(() => answer(JSON.parse(line))).then(found => console.log(JSON.stringify(found)))
})
