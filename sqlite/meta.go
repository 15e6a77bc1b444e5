package sqlite

// Meta returns one of the server's own facts; ok is false when it was never stored.
func (tx *Tx) Meta(key string) (value string, ok bool, err error) {
	return one(tx, "read meta", scanValue[string], `SELECT value FROM meta WHERE key = ?`, key)
}

// PutMeta stores one of the server's own facts. It makes no hint.
func (tx *Tx) PutMeta(key, value string) error {
	_, err := tx.write("store meta", "", `INSERT INTO meta (key, value) VALUES (?, ?) ON CONFLICT DO UPDATE SET value = excluded.value`, key, value)
	return err
}
