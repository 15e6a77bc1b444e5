package apiwire

// NewSSHKey is a public key that a person logs in with.
type NewSSHKey struct {
	Name string `json:"name"`
	Key  string `json:"key" doc:"The line of a .pub file"`
}
