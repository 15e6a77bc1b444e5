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

// ValidateRole checks a role that somebody shall have.
func ValidateRole(r Role) error {
	if r == RoleViewer || r == RoleDeveloper || r == RoleOwner {
		return nil
	}
	return &Error{Code: EInvalid, Field: "role", Message: "a role is viewer, developer or owner"}
}

// Person is somebody with keys, tokens and logins.
type Person struct {
	ID        ID        `json:"id"`
	Name      string    `json:"name"`
	Role      Role      `json:"role,omitempty"` // on the whole server; RoleNone: only what memberships give
	CreatedAt time.Time `json:"createdAt"`
	JoinedAt  time.Time `json:"joinedAt,omitzero"` // when they first logged in; zero: they are invited
}

// PersonInfo is a person with what they may do on single projects.
type PersonInfo struct {
	Person
	Memberships []ProjectRole `json:"memberships,omitempty"`
}

// ProjectRole is a membership as its person reads it.
type ProjectRole struct {
	Project string `json:"project"`
	Role    Role   `json:"role"`
}

// Member is a membership as those of its project read it.
type Member struct {
	Person   string `json:"person"`
	Role     Role   `json:"role"`
	OnServer bool   `json:"onServer,omitempty"` // by a role on the whole server, of which no project knows
	Invited  bool   `json:"invited,omitempty"`  // they have not logged in yet
}

// Membership gives a person a role on one project.
type Membership struct {
	Person  ID   `json:"person"`
	Project ID   `json:"project"`
	Role    Role `json:"role"`
}

// Invitation asks for a new person.
type Invitation struct {
	Name    string `json:"name" example:"bob" doc:"Lower-case letters, digits and single hyphens"`
	Role    Role   `json:"role,omitempty" doc:"viewer, developer or owner; default: viewer"`
	Project string `json:"project,omitempty" doc:"On this project; empty: on the whole server"`
}

// Caller is who asks. The zero Caller is nobody and may do nothing.
type Caller struct {
	Person ID
	Name   string
	Role   Role // server-wide
	Limit  Role // the most that the token lets its person do; RoleNone: all that the person may
	Token  ID   // by which API token they ask; empty: by none
	Login  ID   // by which login
}

// Limited is the lower of a role and the caller's limit.
func (c Caller) Limited(role Role) Role {
	if c.Limit != RoleNone && role.Includes(c.Limit) {
		return c.Limit
	}
	return role
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
	Role      Role      `json:"role,omitempty"` // the most that it lets its person do; RoleNone: all that the person may
	CreatedAt time.Time `json:"createdAt"`
	ExpiresAt time.Time `json:"expiresAt"`
	LastUsed  time.Time `json:"lastUsed,omitzero"`
}

// NewToken asks for an API token.
type NewToken struct {
	Name string
	Role Role          // RoleNone: no limit
	TTL  time.Duration // zero: 90 days; at most a year
}
