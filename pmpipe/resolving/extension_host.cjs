// Calls a project's transformManifest for pmpipe, in a process of its own.
//
//     node extension_host.cjs FILE ROOT FD LOG
//
// FD is a socket. A line of JSON comes out of it for each manifest, and one goes into it for each answer, the first of
// which only says that FILE was loaded: {"refused": why}, {"fields": …, "applied": …}, or {} where nothing has changed.
// What a project's code may do is what npm 12 lets it do. With LOG "1" what it logs goes to stderr.
'use strict'

const { Socket } = require('node:net')
const { pathToFileURL } = require('node:url')
const { isDeepStrictEqual } = require('node:util')

const [file, root, descriptor, log] = process.argv.slice(2)

const META = 'peerDependenciesMeta'
const FIELDS = ['dependencies', 'optionalDependencies', 'peerDependencies', META]
const EXTENSION_POINT = 'transformManifest'

class Refusal extends Error {}

const isObject = value => value !== null && typeof value === 'object' && !Array.isArray(value)

const load = async () => {
  let module
  try {
    module = file.endsWith('.mjs') ? await import(pathToFileURL(file).href) : require(file)
  } catch (error) {
    throw new Refusal(`cannot be loaded: ${textOf(error)}`)
  }
  const transform = module?.[EXTENSION_POINT] ?? module?.default?.[EXTENSION_POINT]
  if (typeof transform !== 'function') {
    throw new Refusal(`exports no function ${EXTENSION_POINT}`)
  }
  return transform
}

const textOf = error => (error instanceof Error ? error.message : String(error))

const context = {
  root,
  extensionPoint: EXTENSION_POINT,
  log: message => {
    if (log === '1') {
      process.stderr.write(`${message}\n`)
    }
  },
}

const called = (transform, manifest) => {
  let returned
  try {
    // its own copies: whatever it does with them, the next call begins anew
    returned = transform(structuredClone(manifest), { ...context })
  } catch (error) {
    throw new Refusal(`has thrown: ${textOf(error)}`)
  }
  if (typeof returned?.then === 'function') {
    throw new Refusal('has returned a promise; it must return the manifest at once')
  }
  if (!isObject(returned)) {
    throw new Refusal('has returned no manifest')
  }
  return returned
}

const checkField = (field, value) => {
  if (!isObject(value)) {
    throw new Refusal(`has made ${field} what is no object`)
  }
  for (const [name, one] of Object.entries(value)) {
    if (field === META ? !isObject(one) : typeof one !== 'string') {
      throw new Refusal(`has made ${field} > ${name} what is no ${field === META ? 'object' : 'string'}`)
    }
  }
}

const repaired = (transform, manifest) => {
  const returned = called(transform, manifest)
  const foreign = Object.keys(returned).filter(key => !FIELDS.includes(key) && !isDeepStrictEqual(returned[key], manifest[key]))
  if (foreign.length) {
    throw new Refusal(`has changed ${foreign.join(', ')}; only ${FIELDS.join(', ')} may change`)
  }
  const fields = {}
  const applied = {}
  for (const field of FIELDS) {
    // what it leaves out stays
    if (returned[field] === undefined) {
      continue
    }
    checkField(field, returned[field])
    const before = manifest[field] || {}
    const after = returned[field]
    const names = new Set([...Object.keys(before), ...Object.keys(after)])
    const changed = [...names].filter(name => !isDeepStrictEqual(before[name], after[name]))
    if (changed.length) {
      fields[field] = after
      applied[field] = changed.sort()
    }
  }
  return Object.keys(applied).length ? { fields, applied: { extensionPoint: EXTENSION_POINT, ...applied } } : {}
}

const answerOf = work => {
  try {
    return work()
  } catch (error) {
    return { refused: textOf(error) }
  }
}

const main = async () => {
  const socket = new Socket({ fd: Number(descriptor), readable: true, writable: true })
  const send = answer => socket.write(`${JSON.stringify(answer)}\n`)
  // nobody is there any more
  socket.on('close', () => process.exit())
  socket.on('error', () => process.exit())
  let transform
  try {
    transform = await load()
  } catch (error) {
    send({ refused: textOf(error) })
    return
  }
  let rest = ''
  socket.setEncoding('utf8')
  socket.on('data', text => {
    const lines = (rest + text).split('\n')
    rest = lines.pop()
    for (const line of lines) {
      send(answerOf(() => repaired(transform, JSON.parse(line))))
    }
  })
  send({})
}
main()
