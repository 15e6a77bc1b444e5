import { EventEmitter } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'
import pg from 'pg'

export type Entry = { id: number; name: string; message: string; createdAt: string }

const channel = 'guestbook_entries'
const columns = `id, name, message, created_at AS "createdAt"`

/**
 * The book in PostgreSQL. It emits "entry" for each new one, whoever wrote it: a NOTIFY reaches
 * every instance of this server. It emits "lost" when entries may have been missed.
 */
export class Book extends EventEmitter<{ entry: [Entry]; lost: [] }> {
  readonly #pool: pg.Pool
  readonly #url: string
  #listener: pg.Client | undefined
  #closed = false

  private constructor(url: string) {
    super()
    this.setMaxListeners(0) // one per visitor
    this.#url = url
    this.#pool = new pg.Pool({ connectionString: url, max: 5 })
    this.#pool.on('error', (e) => console.error('database connection lost:', e.message))
  }

  /** Waits for the database, which may start at the same time as this server. */
  static async open(url: string): Promise<Book> {
    const book = new Book(url)
    for (let attempt = 1; ; attempt++) {
      try {
        await book.#migrate()
        break
      } catch (e) {
        console.error(`database is not ready (attempt ${attempt}): ${e instanceof Error ? e.message : e}`)
        await sleep(Math.min(250 * attempt, 3000))
      }
    }
    void book.#listen()
    return book
  }

  async #migrate() {
    const client = await this.#pool.connect()
    try {
      await client.query('SELECT pg_advisory_lock(7301)') // two instances may start at once
      await client.query(`
        CREATE TABLE IF NOT EXISTS entries (
          id integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
          name text NOT NULL,
          message text NOT NULL,
          created_at timestamptz NOT NULL DEFAULT now()
        )`)
      await client.query('SELECT pg_advisory_unlock(7301)')
    } finally {
      client.release()
    }
  }

  /** Listens for new entries, and again after each lost connection. */
  async #listen() {
    while (!this.#closed) {
      const client = new pg.Client({ connectionString: this.#url, keepAlive: true })
      const ended = new Promise<void>((resolve) => {
        client.once('end', resolve)
        client.once('error', () => resolve())
      })
      client.on('notification', (n) => void this.#announce(Number(n.payload)))
      try {
        await client.connect()
        await client.query(`LISTEN ${channel}`)
        this.#listener = client
        this.emit('lost')
        await ended
      } catch (e) {
        console.error(`cannot listen for entries: ${e instanceof Error ? e.message : e}`)
      }
      await client.end().catch(() => {})
      if (!this.#closed) await sleep(1000)
    }
  }

  async #announce(id: number) {
    try {
      const found = await this.#pool.query<Entry>(`SELECT ${columns} FROM entries WHERE id = $1`, [id])
      if (found.rows[0]) this.emit('entry', found.rows[0])
    } catch {
      this.emit('lost')
    }
  }

  async newest(): Promise<Entry[]> {
    const found = await this.#pool.query<Entry>(`SELECT ${columns} FROM entries ORDER BY id DESC LIMIT 100`)
    return found.rows
  }

  async add(name: string, message: string): Promise<Entry> {
    const added = await this.#pool.query<Entry>(
      `WITH new AS (INSERT INTO entries (name, message) VALUES ($1, $2) RETURNING *)
       SELECT ${columns}, pg_notify('${channel}', id::text) FROM new`,
      [name, message],
    )
    const { id, createdAt } = added.rows[0]!
    return { id, name, message, createdAt }
  }

  async check(): Promise<void> {
    await this.#pool.query('SELECT 1')
  }

  /** Lets go of every visitor who waits for entries. */
  hangUp() {
    this.removeAllListeners('entry')
    this.emit('lost')
  }

  async close() {
    this.#closed = true
    await this.#listener?.end().catch(() => {})
    await this.#pool.end()
  }
}
