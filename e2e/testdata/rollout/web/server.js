// The public element: a page, POSTs that it has the API write down, a slow answer, an echo over WebSockets.
const { createServer, request, Agent } = require('node:http')
const { createHash } = require('node:crypto')
const { readFileSync } = require('node:fs')

const edition = readFileSync('edition.txt', 'utf8').trim()
const mood = readFileSync('mood.txt', 'utf8').trim() // fine | never ready | ends after 10 s
const keepsConnections = mood !== 'ends after 10 s' // who ends by itself cuts what was just written on a kept one
const agent = new Agent({ keepAlive: false }) // a call of its own each, as a plain fetch would make

const server = createServer((ask, answer) => {
  const url = new URL(ask.url, 'http://web')
  if (!keepsConnections) answer.setHeader('Connection', 'close')
  if (url.pathname === '/slow') return setTimeout(() => answer.end(`slow ${edition}`), 8000)
  if (ask.method === 'POST') {
    ask.resume()
    const call = request({ host: 'app.api', port: 3000, path: `/add?id=${url.searchParams.get('id')}`, method: 'POST', agent }, (reply) => {
      answer.statusCode = reply.statusCode
      reply.pipe(answer)
    })
    call.on('error', (error) => {
      answer.statusCode = 500
      answer.end(`api: ${error.message}`)
    })
    return call.end()
  }
  answer.end(edition)
})

// RFC 6455: frames of a client are masked; only short ones are sent here.
server.on('upgrade', (ask, socket) => {
  const accept = createHash('sha1').update(ask.headers['sec-websocket-key'] + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').digest('base64')
  socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
  let data = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk) => {
    data = Buffer.concat([data, chunk])
    while (data.length >= 6) {
      const length = data[1] & 127
      if (data.length < 6 + length) return
      const payload = Buffer.from(data.subarray(6, 6 + length).map((byte, i) => byte ^ data[2 + (i % 4)]))
      socket.write(Buffer.concat([Buffer.from([data[0], length]), payload]))
      if ((data[0] & 15) === 8) return socket.end()
      data = data.subarray(6 + length)
    }
  })
})

if (mood !== 'never ready') server.listen(3000)
else setInterval(() => {}, 1000)
if (mood === 'ends after 10 s') setTimeout(() => server.close(() => process.exit(3)) && server.closeIdleConnections(), 10000)
process.on('SIGTERM', () => { server.close(() => process.exit(0)); server.closeIdleConnections() })
