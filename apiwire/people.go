package apiwire

import "github.com/berth-dev/berth"

// Role is what somebody shall be allowed.
type Role struct {
	Role berth.Role `json:"role" example:"developer" doc:"viewer, developer or owner; on the server also empty: only what memberships give"`
}

// ChangePassword replaces the caller's password.
type ChangePassword struct {
	Before   string `json:"before,omitempty" doc:"The password before; empty where there is none"`
	Password string `json:"password" doc:"8 to 256 characters"`
}
