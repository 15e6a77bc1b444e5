import type { Entry } from './entries.ts'

const when = new Intl.DateTimeFormat(undefined, { dateStyle: 'medium', timeStyle: 'short' })

export function EntryList({ entries }: { entries: Entry[] | undefined }) {
  if (!entries) {
    return <p className="hint">Opening the book…</p>
  }
  if (entries.length === 0) {
    return <p className="hint">Nobody has signed yet. Be the first!</p>
  }
  return (
    <ol className="entries" aria-label="Entries, newest first">
      {entries.map((entry) => (
        <li key={entry.id}>
          <p className="message">{entry.message}</p>
          <p className="by">
            <strong>{entry.name}</strong>{' '}
            <time dateTime={entry.createdAt}>{when.format(new Date(entry.createdAt))}</time>
          </p>
        </li>
      ))}
    </ol>
  )
}
