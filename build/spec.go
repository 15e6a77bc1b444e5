package build

// Spec is what a stored build row asks for. It holds no secret: Secrets maps the id of a secret
// mount to a secret token.
type Spec struct {
	Name       string            `json:"name"` // what messages call the Dockerfile
	Dockerfile []byte            `json:"dockerfile"`
	Ignore     []byte            `json:"ignore,omitempty"`
	Args       map[string]string `json:"args,omitempty"`
	// Context is the commit whose tree is the build context; empty: an empty directory.
	Context string            `json:"context,omitempty"`
	Folder  string            `json:"folder,omitempty"` // of that tree, which is the context alone; empty: all of it
	Labels  map[string]string `json:"labels,omitempty"`
	Secrets map[string]string `json:"secrets,omitempty"`
	NoCache bool              `json:"noCache,omitempty"` // nothing of earlier builds is used, not even their images
}
