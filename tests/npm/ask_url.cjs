// Answers how Node.js reads URLs; see asking_npm.py.
'use strict'
const lines = require('node:fs').readFileSync(0, 'utf8').split('\n').slice(0, -1)
process.stdout.write(lines.map((line) => {
  const { text, base } = JSON.parse(line)
  let answer = null
  try {
    const url = base === null ? new URL(text) : new URL(text, base)
    answer = [url.href, url.protocol, url.username, url.password, url.hostname, url.port, url.pathname]
    url.hash = ''
    answer.push(url.href)
  } catch (error) {
    if (error.code !== 'ERR_INVALID_URL') {
      throw error
    }
  }
  return JSON.stringify(answer) + '\n'
}).join(''))
