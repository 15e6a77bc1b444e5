package apiwire

import "github.com/berth-dev/berth"

// Connection says where a project's commits come from.
type Connection struct {
	berth.Connection
	GitToken string `json:"gitToken,omitempty" doc:"Opens a repository that is not public, over HTTPS; stored sealed and never shown again"`
}
