// Runs once in each release, before it serves.
const { readFileSync } = require('node:fs')
const migration = readFileSync('migration.txt', 'utf8').trim()
console.log(`release ${process.env.BERTH_RELEASE}: ${migration}`)
if (migration !== 'fine') process.exit(7)
