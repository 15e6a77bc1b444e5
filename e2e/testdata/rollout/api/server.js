// Passes on to the ledger.
const { createServer, request } = require('node:http')
const { readFileSync } = require('node:fs')

if (readFileSync('mood.txt', 'utf8').trim() === 'ends at once') process.exit(5)

const server = createServer((ask, answer) => {
  if (ask.url === '/health') return answer.end('ok')
  ask.resume()
  const call = request({ host: 'app.ledger', port: 3000, path: ask.url, method: ask.method, agent: false }, (reply) => {
    answer.statusCode = reply.statusCode
    reply.pipe(answer)
  })
  call.on('error', (error) => {
    answer.statusCode = 500
    answer.end(`ledger: ${error.message}`)
  })
  call.end()
})
server.listen(3000)
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections() })
