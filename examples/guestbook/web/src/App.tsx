import { EntryForm } from './EntryForm.tsx'
import { EntryList } from './EntryList.tsx'
import { useEntries } from './entries.ts'

export function App() {
  const { entries, live, add } = useEntries()
  return (
    <main>
      <header>
        <h1>Guestbook</h1>
        <p className="status" role="status" data-live={live}>
          {live ? 'Live' : 'Connecting…'}
        </p>
      </header>
      <EntryForm onSigned={add} />
      <EntryList entries={entries} />
    </main>
  )
}
