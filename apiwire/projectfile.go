package apiwire

// ProposeProjectFile says what to look into.
type ProposeProjectFile struct {
	Branch string `json:"branch,omitempty" doc:"Default: the project's"`
}

// SetProjectFile is a diploi.yaml.
type SetProjectFile struct {
	Text string `json:"text" doc:"The whole file"`
}
