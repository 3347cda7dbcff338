// Answers what npm makes of install scripts and of allowScripts, with npm's own modules; see asking_npm.py.
'use strict'
const path = require('node:path')
const npmLib = path.join(process.argv[2], '..', 'lib', 'utils')
const npa = require(path.join(process.argv[2], 'npm-package-arg'))
const arborist = (file) => require(path.join(process.argv[2], '@npmcli', 'arborist', 'lib', file))
const consistentResolve = arborist('consistent-resolve.js')
const { isScriptAllowed, isExactVersionDisjunction } = arborist('script-allowed.js')
const parseList = require(path.join(process.argv[2], '@npmcli', 'config', 'lib', 'parse-allow-scripts-list.js'))
const writer = require(path.join(npmLib, 'allow-scripts-writer.js'))
const { classifyUnusedEntries } = require(path.join(npmLib, 'allow-scripts-prune.js'))
const resolveAllowScripts = require(path.join(npmLib, 'resolve-allow-scripts.js'))

process.env.HOME = '/home/user'
const folder = '/project/app'
process.cwd = () => folder

// the parts of an arborist node that are looked at; as load-virtual.js makes them
const node = ({ name, resolved, links, folders, inBundle }) => ({
  name: 'forged',
  version: '6.6.6',
  packageName: 'forged',
  isRegistryDependency: !!name,
  edgesIn: new Set(name ? [{ name: 'alias', spec: `npm:${name}@^1` }] : []),
  resolved: consistentResolve(resolved, folder, folder),
  linksIn: new Set(links.map((link) => ({ resolved: link }))),
  realpath: folders[0],
  path: folders[folders.length - 1],
  inBundle,
})

const written = ({ allowScripts, changes, warning }) => ({
  entries: Object.entries(allowScripts),
  changes: changes.map(({ key, change }) => [key, change]),
  warned: !!warning,
})

const answers = {
  list: ({ values }) => parseList(values),
  // what is kept of an .npmrc's list, by way of the command
  kept: async ({ keys }) => {
    const npm = {
      global: true,
      config: { get: (key, where) => where === 'user' ? keys : undefined },
    }
    const { policy } = await resolveAllowScripts(npm)
    return policy && Object.keys(policy)
  },
  verdict: ({ source, entries }) => isScriptAllowed(node(source), Object.fromEntries(entries)),
  keys: ({ source }) => [writer.nameKeyFor(node(source)), writer.versionedKeyFor(node(source))],
  approve: ({ sources, entries, pin }) =>
    written(writer.applyApprovalForPackage(Object.fromEntries(entries), sources.map(node), { pin })),
  deny: ({ sources, entries }) => written(writer.applyDenyForPackage(Object.fromEntries(entries), sources.map(node))),
  unused: ({ sources, entries }) => {
    const nodes = sources.map((source) => ({ node: node(source), hasScripts: source.hasScripts }))
    const { remaining, removed } = classifyUnusedEntries(Object.fromEntries(entries), nodes)
    return {
      entries: Object.entries(remaining),
      removed: removed.map(({ key, value, reason }) => [key, value, reason]),
    }
  },
}

const main = async () => {
  for (const line of require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)) {
    const question = JSON.parse(line)
    let answer
    try {
      answer = await answers[question.kind](question)
    } catch (error) {
      answer = `error: ${error.message}`
    }
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}
main()
