package berth

import "time"

// Role is what a membership allows. Roles are ordered: each includes the one before.
type Role string

const (
	RoleNone      Role = ""
	RoleViewer    Role = "viewer"
	RoleDeveloper Role = "developer"
	RoleOwner     Role = "owner"
)

var roleRank = map[Role]int{RoleNone: 0, RoleViewer: 1, RoleDeveloper: 2, RoleOwner: 3}

// Includes reports whether r allows everything that other allows.
func (r Role) Includes(other Role) bool { return roleRank[r] >= roleRank[other] }

// Person is somebody with keys, tokens and logins.
type Person struct {
	ID        ID        `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role,omitempty"` // on the whole server; RoleNone: only what memberships give
	CreatedAt time.Time `json:"createdAt"`
}

// Membership gives a person a role on one project.
type Membership struct {
	Person  ID   `json:"person"`
	Project ID   `json:"project"`
	Role    Role `json:"role"`
}

// Caller is who asks. The zero Caller is nobody and may do nothing.
type Caller struct {
	Person ID
	Name   string
	Role   Role // server-wide
}

// Scope limits a store query to what one person may see.
type Scope struct {
	Person ID
	All    bool // server-wide viewer or above, and the server's own loops
}

// Everything is the scope of the server's own loops.
func Everything() Scope { return Scope{All: true} }

// Scope returns what the caller's queries may return.
func (c Caller) Scope() Scope { return Scope{Person: c.Person, All: c.Role.Includes(RoleViewer)} }

// Token is an API token without its secret.
type Token struct {
	ID        ID        `json:"id"`
	Person    ID        `json:"person"`
	Name      string    `json:"name"`
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
}
