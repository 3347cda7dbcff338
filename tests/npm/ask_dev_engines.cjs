// For each line {wanted, current}: npm's verdict on a devEngines: [engine, number of reasons, is an error], or "invalid".
const { join } = require('node:path')
const { createInterface } = require('node:readline')
const { checkDevEngines } = require(join(process.argv[2], 'npm-install-checks'))

createInterface({ input: process.stdin }).on('line', line => {
  const { wanted, current } = JSON.parse(line)
  let answer
  try {
    answer = checkDevEngines(wanted, current)
      .filter(found => found.isWarn || found.isError)
      .map(found => [found.engine, found.errors.length, found.isError])
  } catch {
    answer = 'invalid'
  }
  console.log(JSON.stringify(answer))
})
