// Writes every id down in its volume, and says how often each came.
const { createServer } = require('node:http')
const { appendFileSync, readFileSync } = require('node:fs')

const server = createServer((ask, answer) => {
  const url = new URL(ask.url, 'http://ledger')
  if (url.pathname === '/add') {
    appendFileSync('/book/ids', url.searchParams.get('id') + '\n')
    return answer.end('written')
  }
  answer.end(readFileSync('/book/ids'))
})
server.listen(3000)
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections() })
