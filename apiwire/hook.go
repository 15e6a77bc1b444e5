package apiwire

import "github.com/berth-dev/berth"

// RotatedHook is a hook with its secret, shown once.
type RotatedHook struct {
	Hook   berth.Hook `json:"hook"`
	Secret string     `json:"secret"`
}

// RotatedDeployHook is a deploy hook with its URL, shown once.
type RotatedDeployHook struct {
	Hook berth.DeployHook `json:"hook"`
	URL  string           `json:"url"`
}
