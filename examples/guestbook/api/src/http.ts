import type { IncomingMessage, ServerResponse } from 'node:http'
import type { Book, Entry } from './book.ts'

const maxBody = 16 * 1024

/** A problem that the visitor may read. */
class Problem extends Error {
  readonly status: number
  constructor(status: number, message: string) {
    super(message)
    this.status = status
  }
}

type Route = (book: Book, req: IncomingMessage, res: ServerResponse) => Promise<void>

const routes: Record<string, Route> = {
  'GET /': async (_book, _req, res) => json(res, 200, { name: 'guestbook api', routes: Object.keys(routes) }),
  'GET /api/health': async (book, _req, res) => {
    await book.check()
    json(res, 200, { status: 'ok' })
  },
  'GET /api/entries': async (book, _req, res) => json(res, 200, await book.newest()),
  'POST /api/entries': async (book, req, res) => {
    const { name, message } = await readEntry(req)
    json(res, 201, await book.add(name, message))
  },
  'GET /api/entries/live': live,
}

export function handler(book: Book) {
  return async (req: IncomingMessage, res: ServerResponse) => {
    try {
      const path = (req.url ?? '/').split('?')[0]
      const route = routes[`${req.method} ${path}`]
      if (!route) throw new Problem(404, 'There is nothing here.')
      await route(book, req, res)
    } catch (e) {
      answerError(res, e)
    }
  }
}

function answerError(res: ServerResponse, e: unknown) {
  if (!(e instanceof Problem)) console.error(e)
  if (res.headersSent) {
    res.destroy()
    return
  }
  if (e instanceof Problem) json(res, e.status, { error: e.message })
  else json(res, 503, { error: 'The guestbook does not answer right now. Please try again.' })
}

function json(res: ServerResponse, status: number, body: unknown) {
  res.writeHead(status, { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'no-store' })
  res.end(JSON.stringify(body))
}

async function readEntry(req: IncomingMessage): Promise<{ name: string; message: string }> {
  const parts: Buffer[] = []
  let size = 0
  for await (const part of req) {
    size += part.length
    if (size > maxBody) throw new Problem(413, 'That is too long for this book.')
    parts.push(part)
  }
  let body: unknown
  try {
    body = JSON.parse(Buffer.concat(parts).toString('utf8'))
  } catch {
    throw new Problem(400, 'The request is not JSON.')
  }
  const fields = (typeof body === 'object' && body !== null ? body : {}) as Record<string, unknown>
  return { name: text(fields.name, 'Your name', 80), message: text(fields.message, 'Your message', 1000) }
}

function text(value: unknown, what: string, max: number): string {
  const trimmed = typeof value === 'string' ? value.trim().replaceAll('\u0000', '') : ''
  if (!trimmed) throw new Problem(400, `${what} is missing.`)
  if (trimmed.length > max) throw new Problem(400, `${what} may have at most ${max} characters.`)
  return trimmed
}

/** Sends all entries, then each new one as it comes (server-sent events). */
async function live(book: Book, req: IncomingMessage, res: ServerResponse) {
  const send = (event: string, data: unknown) => res.write(`event: ${event}\ndata: ${JSON.stringify(data)}\n\n`)

  // Listen before reading, so that an entry written in between is not missed. It may come twice.
  let early: Entry[] | undefined = []
  const onEntry = (entry: Entry) => (early ? early.push(entry) : send('entry', entry))
  const onLost = () => res.end() // the browser connects again and gets everything
  const beat = setInterval(() => res.headersSent && res.write(': still here\n\n'), 20_000) // keeps proxies from giving up
  book.on('entry', onEntry).on('lost', onLost)
  res.once('close', () => {
    clearInterval(beat)
    book.off('entry', onEntry).off('lost', onLost)
  })
  req.resume()

  const entries = await book.newest()
  if (res.writableEnded) return
  res.writeHead(200, {
    'content-type': 'text/event-stream',
    'cache-control': 'no-store',
    'x-accel-buffering': 'no',
  })
  res.write('retry: 1000\n\n')
  send('entries', entries)
  for (const entry of early) send('entry', entry)
  early = undefined
}
