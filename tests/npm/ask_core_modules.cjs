// Answers with the names that npm takes for modules of Node.js itself; see asking_npm.py.
'use strict'
const path = require('node:path')
const names = require(path.join(process.argv[2], 'validate-npm-package-name', 'lib', 'builtin-modules.json'))
process.stdout.write(JSON.stringify(names) + '\n')
