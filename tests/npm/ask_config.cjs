// Answers what npm's own modules make of settings, URLs and platforms; see asking_npm.py.
'use strict'
const modules = process.argv[2]
const fs = require('node:fs')
const path = require('node:path')
const questions = fs.readFileSync(0, 'utf8').split('\n').slice(0, -1).map((line) => JSON.parse(line))

const fresh = (name) => {
  // definitions and proxies read the environment when they are loaded
  for (const key of Object.keys(require.cache)) {
    if (key.includes('@npmcli') || key.includes('ci-info')) {
      delete require.cache[key]
    }
  }
  return require(path.join(modules, name))
}

const setEnvironment = (env) => {
  for (const key of Object.keys(process.env)) {
    delete process.env[key]
  }
  Object.assign(process.env, env)
}

const config = async ({ cwd, env, argv }) => {
  setEnvironment(env)
  process.chdir(cwd)
  const { definitions, shorthands, flatten, nerfDarts } = fresh('@npmcli/config/lib/definitions')
  const Config = require(path.join(modules, '@npmcli/config'))
  const make = () => new Config({
    npmPath: cwd, definitions, shorthands, flatten, nerfDarts, env, cwd, warn: false, argv: ['node', 'npm', ...argv],
  })
  const loaded = make()
  // npm hands its settings on before it validates them, and Node.js then looks for nothing but false
  const early = make()
  try {
    await loaded.load()
    await early.load()
    loaded.validate()
  } catch (error) {
    return { error: error.code ?? error.name }
  }
  const flat = { ...loaded.flat, strictSSL: early.flat.strictSSL !== false }
  const names = ['loglevel', 'include', 'userconfig', 'globalconfig', 'prefix', 'cache', 'workspace', 'workspaces']
  return { flat, get: Object.fromEntries(names.map((name) => [name, loaded.get(name) ?? null])) }
}

const answers = {
  config,
  ini: ({ text }) => {
    try {
      return require(path.join(modules, 'ini')).parse(text)
    } catch (error) {
      // npm's parser stumbles over null where it expects text or a section
      return error.name
    }
  },
  environment: ({ text, env }) => require(path.join(modules, '@npmcli/config/lib/env-replace.js'))(text, env),
  auth: ({ url, values, registry }) => {
    const auth = require(path.join(modules, 'npm-registry-fetch/lib/auth.js'))(url, { ...values, registry })
    return auth.token ? `Bearer ${auth.token}` : auth.auth ? `Basic ${auth.auth}` : ''
  },
  proxy: ({ url, proxy, noProxy, env }) => {
    setEnvironment(env)
    return fresh('@npmcli/agent/lib/proxy.js').getProxy(url, { proxy, noProxy })?.href ?? ''
  },
  platform: ({ target, platform }) => {
    try {
      require(path.join(modules, 'npm-install-checks')).checkPlatform(target, false, platform)
    } catch (error) {
      return error.code
    }
    return ''
  },
  engines: ({ engines, node, npm }) => {
    try {
      require(path.join(modules, 'npm-install-checks')).checkEngine({ engines }, npm, node)
    } catch (error) {
      return error.code
    }
    return ''
  },
  host: () => {
    const current = require(path.join(modules, 'npm-install-checks')).currentEnv
    return { os: current.os(), cpu: current.cpu(), libc: current.libc(current.os()) ?? '' }
  },
}

const main = async () => {
  for (const { ask, ...question } of questions) {
    const answer = await answers[ask](question)
    process.stdout.write(JSON.stringify(answer) + '\n')
  }
}
main()
