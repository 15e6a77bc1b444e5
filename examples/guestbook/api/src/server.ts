import { createServer } from 'node:http'
import { Book } from './book.ts'
import { handler } from './http.ts'

const url = process.env.DATABASE_URL
if (!url) {
  console.error('DATABASE_URL is not set; diploi.yaml imports it from the element "postgres".')
  process.exit(1)
}
const port = Number(process.env.PORT ?? 3000)

const book = await Book.open(url)
const server = createServer(handler(book))
server.listen(port, () => console.log(`guestbook api listens on ${port}`))

for (const signal of ['SIGTERM', 'SIGINT'] as const) {
  process.once(signal, () => {
    server.close(() => book.close().then(() => process.exit(0)))
    book.hangUp() // event streams never end by themselves
    server.closeIdleConnections()
  })
}
