// Runs npm's command line again and again in one process. What a process of its own spends on a small project is mostly
// loading and compiling npm's modules.
//
// Usage: node npm_host.cjs NPM-CLI FD. Requests come on that file descriptor, one JSON line each, and are answered there
// when npm has exited: `{argv, cwd, env, umask}`, `{status, fit}`. What npm writes goes to the standard output and error.
// The process ends when the descriptor is closed.
//
// No run sees anything of another: each loads npm's modules anew, so that no variable of theirs outlives it, and only
// what they are compiled to is kept; what npm changes in the process is put back. Where anything is still under way after
// npm has exited, the answer is that this process is not fit for another run. Killing it does what exiting does then.
'use strict'
const { channel: diagnostics } = require('node:diagnostics_channel')
const fs = require('node:fs')
const Module = require('node:module')
const net = require('node:net')
const path = require('node:path')
const vm = require('node:vm')

const cli = process.argv[2]
const root = path.dirname(path.dirname(cli)) + path.sep
const GRACEFUL_FS = `${path.sep}graceful-fs${path.sep}`
const PARAMETERS = ['exports', 'require', 'module', '__filename', '__dirname']
// what npm or its modules set
const CHANGED = ['argv', 'emit', 'execPath', 'exit', 'reallyExit']
// for what is under way when npm exits; mostly that is nothing, or closing a file
const PATIENCE_MS = 50

const leave = process.reallyExit.bind(process)

// -- npm's modules ----------------------------------------------------------------------------------------------------

const compiled = new Map()
const loadOther = Module._extensions['.js']

const compile = (source, filename) => {
  const importModuleDynamically = vm.constants.USE_MAIN_CONTEXT_DEFAULT_LOADER
  return vm.compileFunction(source.replace(/^#!.*/, ''), PARAMETERS, { filename, importModuleDynamically })
}

Module._extensions['.js'] = (module, filename) => {
  if (!filename.startsWith(root)) {
    return loadOther(module, filename)
  }
  if (!compiled.has(filename)) {
    compiled.set(filename, compile(fs.readFileSync(filename, 'utf8'), filename))
  }
  const require = (id) => module.require(id)
  require.resolve = (id, options) => Module._resolveFilename(id, module, false, options)
  require.cache = Module._cache
  compiled.get(filename).call(module.exports, module.exports, require, module, filename, path.dirname(filename))
}

// it changes the module fs, which must be done once in a process
const graceful = require(require.resolve('graceful-fs', { paths: [root] }))
graceful.gracefulify(fs)
graceful.gracefulify = () => fs

const forgetModules = () => {
  for (const filename of Object.keys(Module._cache)) {
    if (filename !== __filename && !filename.includes(GRACEFUL_FS)) {
      delete Module._cache[filename]
    }
  }
}

// -- the process ------------------------------------------------------------------------------------------------------

const ownProperties = () => CHANGED.map((key) => [key, Object.getOwnPropertyDescriptor(process, key)])

const restoreProperties = (before) => {
  for (const [key, descriptor] of before) {
    delete process[key]
    if (descriptor) {
      Object.defineProperty(process, key, descriptor)
    }
  }
}

const listeners = () => new Map(process.eventNames().map((name) => [name, process.rawListeners(name)]))

const restoreListeners = (before) => {
  for (const [name, found] of listeners()) {
    const kept = before.get(name) ?? []
    found.filter((listener) => !kept.includes(listener)).forEach((listener) => process.off(name, listener))
  }
}

// in place: modules that are not npm's, and the children's environment, have this object
const replaceEnvironment = (environment) => {
  Object.keys(process.env).forEach((name) => delete process.env[name])
  Object.assign(process.env, environment)
}

// all instances of the module signal-exit share one emitter, which emits once
const forgetExits = () => {
  const emitter = globalThis[Symbol.for('signal-exit emitter')]
  if (emitter) {
    emitter.emitted = { afterExit: false, exit: false }
    emitter.listeners = { afterExit: [], exit: [] }
    emitter.count = 0
  }
}

// -- runs -------------------------------------------------------------------------------------------------------------

const asker = new net.Socket({ fd: Number(process.argv[3]), readable: true, writable: true })
const sockets = new Set()
let run = null
let before

const begin = ({ argv, cwd, env, umask }) => {
  run = { isExiting: false, status: null, isAnswered: false, timeout: null }
  process.chdir(cwd)
  process.umask(umask)
  replaceEnvironment(env)
  process.argv = [process.execPath, ...argv]
  process.exitCode = undefined
  process.exit = exit
  process.reallyExit = hasExited
  // now an empty event loop means that the run has nothing left to do
  asker.unref()
  new Module(cli).require(cli)
}

const exit = (code = process.exitCode) => {
  process.exitCode = code
  if (!run.isExiting) {
    run.isExiting = true
    process.emit('exit', process.exitCode || 0)
  }
  process.reallyExit(process.exitCode || 0)
}

const hasExited = (status) => {
  if (run.status !== null) {
    return
  }
  run.status = status
  sockets.forEach((socket) => socket.destroy())
  sockets.clear()
  const giveUp = () => answer(false)
  process.on('uncaughtException', giveUp)
  process.on('unhandledRejection', giveUp)
  run.timeout = setTimeout(giveUp, PATIENCE_MS).unref()
}

const answer = (fit) => {
  if (run.isAnswered) {
    return
  }
  run.isAnswered = true
  clearTimeout(run.timeout)
  if (fit) {
    restoreListeners(before.listeners)
    restoreProperties(before.properties)
    forgetExits()
    forgetModules()
    process.chdir(path.sep)
  }
  asker.ref()
  asker.write(`${JSON.stringify({ status: run.status, fit })}\n`)
}

process.on('beforeExit', () => {
  // after npm's own listeners, which may find something to do
  process.nextTick(() => {
    // standard output and error are listed, but keep nothing going
    if (process.getActiveResourcesInfo().every((resource) => resource === 'PipeWrap')) {
      if (run.status === null) {
        // as Node.js does with a process that has nothing left to do
        process.exit()
      }
      answer(true)
    }
  })
})

diagnostics('http.client.request.start').subscribe(({ request }) => {
  request.once('socket', (socket) => sockets.add(socket))
})

const serve = () => {
  let received = ''
  asker.setEncoding('utf8')
  asker.on('data', (data) => {
    received += data
    if (received.endsWith('\n')) {
      const line = received
      received = ''
      begin(JSON.parse(line))
    }
  })
  asker.on('error', () => leave(1))
  asker.on('close', () => leave(0))
}

// the first import of what is compiled here warns that this is experimental, which is not npm's affair
const { emitWarning } = process
process.emitWarning = () => {}
compile("return import('node:path')", __filename)().then(() => {
  process.emitWarning = emitWarning
  before = { listeners: listeners(), properties: ownProperties() }
  serve()
})
