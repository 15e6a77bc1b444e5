import { useRef, useState, type FormEvent } from 'react'
import { sign, type Entry } from './entries.ts'

export function EntryForm({ onSigned }: { onSigned: (entry: Entry) => void }) {
  const [message, setMessage] = useState('')
  const [name, setName] = useState('')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState('')
  const messageField = useRef<HTMLTextAreaElement>(null)

  async function submit(event: FormEvent) {
    event.preventDefault()
    setBusy(true)
    setError('')
    try {
      onSigned(await sign(name, message))
      setMessage('')
      messageField.current?.focus()
    } catch (e) {
      setError(e instanceof Error ? e.message : String(e))
    } finally {
      setBusy(false)
    }
  }

  return (
    <form onSubmit={submit} aria-describedby="form-error">
      <label htmlFor="name">Your name</label>
      <input id="name" value={name} onChange={(e) => setName(e.target.value)} required maxLength={80} autoComplete="name" />
      <label htmlFor="message">Your message</label>
      <textarea
        id="message"
        ref={messageField}
        value={message}
        onChange={(e) => setMessage(e.target.value)}
        required
        maxLength={1000}
        rows={3}
      />
      <button type="submit" disabled={busy}>
        {busy ? 'Signing…' : 'Sign the guestbook'}
      </button>
      <p id="form-error" className="error" role="alert">
        {error}
      </p>
    </form>
  )
}
