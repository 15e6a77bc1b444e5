package apiwire

// NewRegistry logs in to a registry of images.
type NewRegistry struct {
	Host     string `json:"host" example:"ghcr.io"`
	Username string `json:"username"`
	Password string `json:"password" doc:"Or a token in its place; stored sealed and never shown again"`
}
