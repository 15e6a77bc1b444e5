import { useCallback, useEffect, useState } from 'react'

export type Entry = { id: number; name: string; message: string; createdAt: string }

/** The newest entries, kept up to date by the server's event stream. */
export function useEntries() {
  const [entries, setEntries] = useState<Entry[]>()
  const [live, setLive] = useState(false)

  const add = useCallback((entry: Entry) => {
    setEntries((known = []) => merge(known, [entry]))
  }, [])

  useEffect(() => {
    const events = new EventSource('/api/entries/live')
    // Each time the stream opens it starts with all entries: nothing written in between is missed.
    events.addEventListener('entries', (e) => {
      setEntries(JSON.parse(e.data) as Entry[])
      setLive(true)
    })
    events.addEventListener('entry', (e) => add(JSON.parse(e.data) as Entry))
    events.onerror = () => setLive(false)
    return () => events.close()
  }, [add])

  return { entries, live, add }
}

/** An entry may come twice: as the answer to the form and as an event. */
function merge(known: Entry[], more: Entry[]) {
  const byId = new Map([...known, ...more].map((e) => [e.id, e]))
  return [...byId.values()].sort((a, b) => b.id - a.id)
}

/** Signs the book; throws an Error whose message is for the visitor. */
export async function sign(name: string, message: string): Promise<Entry> {
  const response = await fetch('/api/entries', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ name, message }),
  })
  const body = (await response.json().catch(() => ({}))) as Entry & { error?: string }
  if (!response.ok) {
    throw new Error(body.error ?? 'The guestbook does not answer right now. Please try again.')
  }
  return body
}
