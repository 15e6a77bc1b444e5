package control

import (
	"context"

	"github.com/berth-dev/berth"
)

// Verb is something a person can ask for.
type Verb string

// The verbs on the server itself.
const (
	MetricsRead    Verb = "read the server's metrics"
	TokenRead      Verb = "read one's own tokens"
	TokenManage    Verb = "manage one's own tokens"
	LoginLinkMake  Verb = "make login links for oneself"
	LoginRead      Verb = "read one's own logins"
	LoginManage    Verb = "manage one's own logins"
	PasswordChange Verb = "change one's own password"
	PersonLogin    Verb = "make login links for others"
	KeyManage      Verb = "manage one's own SSH keys"
	PersonKeys     Verb = "manage SSH keys of others"
	PersonRead     Verb = "read who is on the server"
	PersonInvite   Verb = "invite persons to the server"
	PersonChange   Verb = "change persons' roles"
	PersonRemove   Verb = "remove persons"
	ProjectCreate  Verb = "create projects"
	RegistryRead   Verb = "read logins to registries"
	RegistryManage Verb = "manage logins to registries"
	StorageRead    Verb = "read where volumes are kept"
	BuildCacheRead Verb = "read how large the build cache is"
	StorageChange  Verb = "change where volumes are kept"
)

// The verbs on a project and on what belongs to it.
const (
	ProjectRead       Verb = "read the project"
	MemberRead        Verb = "read who is in the project"
	MemberChange      Verb = "change who is in the project"
	RepositoryRead    Verb = "read the repository"
	RepositoryPush    Verb = "push to the repository"
	BranchProtect     Verb = "protect branches"
	HookRead          Verb = "read the hook"
	HookRotate        Verb = "change the hook"
	DeployHookRead    Verb = "read the deploy hook"
	DeployHookChange  Verb = "change the deploy hook"
	ProjectImport     Verb = "bring commits into the project"
	ProjectDescribe   Verb = "change the project's file"
	ProjectRename     Verb = "rename the project"
	ProjectConnect    Verb = "say where the project's commits come from"
	ProjectDelete     Verb = "delete the project"
	DeploymentCreate  Verb = "create deployments"
	DeploymentRead    Verb = "read the deployment"
	DeploymentRename  Verb = "rename the deployment"
	DeploymentRestart Verb = "restart the deployment"
	DeploymentStop    Verb = "stop the deployment"
	DeploymentStart   Verb = "start the deployment"
	DeploymentRest    Verb = "change when the deployment sleeps"
	DeploymentDelete  Verb = "delete the deployment"
	VolumeDelete      Verb = "delete volumes"
	HostRead          Verb = "read the hosts"
	HostChange        Verb = "change the hosts"
	DomainRead        Verb = "read the domains"
	DomainChange      Verb = "change the domains"
	DeploymentApply   Verb = "apply the project file"
	EnvironmentRead   Verb = "read parameters"
	EnvironmentChange Verb = "change parameters"
	SecretChange      Verb = "change secrets of a build stage"
	SecretReveal      Verb = "see secrets"
	Deploy            Verb = "deploy"
	BuildRead         Verb = "read builds"
	BuildCancel       Verb = "cancel builds"
	StreamRead        Verb = "read logs and events"
	MailRead          Verb = "read mail"
	StreamExec        Verb = "run commands in containers"
)

// leastRole is the one table of who may do what: a verb that is missing here is nobody's.
var leastRole = map[Verb]berth.Role{
	MetricsRead:    berth.RoleOwner, // it names every host of everybody
	TokenRead:      berth.RoleNone,
	TokenManage:    berth.RoleNone,
	LoginLinkMake:  berth.RoleNone,
	LoginRead:      berth.RoleNone,
	LoginManage:    berth.RoleNone,
	PasswordChange: berth.RoleNone,
	PersonLogin:    berth.RoleOwner,
	KeyManage:      berth.RoleNone,
	PersonKeys:     berth.RoleOwner,
	PersonRead:     berth.RoleViewer,
	PersonInvite:   berth.RoleOwner,
	PersonChange:   berth.RoleOwner,
	PersonRemove:   berth.RoleOwner,
	ProjectCreate:  berth.RoleDeveloper,
	RegistryRead:   berth.RoleDeveloper,
	RegistryManage: berth.RoleOwner,
	StorageRead:    berth.RoleViewer,
	BuildCacheRead: berth.RoleViewer,
	StorageChange:  berth.RoleOwner,

	ProjectRead:       berth.RoleViewer,
	MemberRead:        berth.RoleViewer,
	MemberChange:      berth.RoleOwner,
	RepositoryRead:    berth.RoleViewer,
	RepositoryPush:    berth.RoleDeveloper,
	BranchProtect:     berth.RoleOwner,
	HookRead:          berth.RoleViewer,
	HookRotate:        berth.RoleOwner,
	DeployHookRead:    berth.RoleViewer,
	DeployHookChange:  berth.RoleOwner, // who knows the URL deploys for ever, whoever made it
	ProjectImport:     berth.RoleDeveloper,
	ProjectDescribe:   berth.RoleDeveloper,
	ProjectRename:     berth.RoleOwner,
	ProjectConnect:    berth.RoleOwner,
	ProjectDelete:     berth.RoleOwner,
	DeploymentCreate:  berth.RoleDeveloper,
	DeploymentRead:    berth.RoleViewer,
	DeploymentRename:  berth.RoleDeveloper,
	DeploymentRestart: berth.RoleDeveloper,
	DeploymentStop:    berth.RoleDeveloper,
	DeploymentStart:   berth.RoleDeveloper,
	DeploymentRest:    berth.RoleDeveloper,
	DeploymentDelete:  berth.RoleOwner,
	VolumeDelete:      berth.RoleOwner,
	HostRead:          berth.RoleViewer,
	HostChange:        berth.RoleDeveloper,
	DomainRead:        berth.RoleViewer,
	DomainChange:      berth.RoleDeveloper,
	DeploymentApply:   berth.RoleDeveloper,
	EnvironmentRead:   berth.RoleViewer,
	EnvironmentChange: berth.RoleDeveloper,
	SecretChange:      berth.RoleOwner,
	SecretReveal:      berth.RoleOwner,
	Deploy:            berth.RoleDeveloper,
	BuildRead:         berth.RoleViewer,
	BuildCancel:       berth.RoleDeveloper,
	StreamRead:        berth.RoleViewer,
	MailRead:          berth.RoleDeveloper,
	StreamExec:        berth.RoleDeveloper,
}

// unlimited are the verbs that a token with a role is refused whatever its role is: they make what has no limit.
var unlimited = map[Verb]bool{TokenManage: true, LoginLinkMake: true, LoginManage: true, PasswordChange: true, KeyManage: true, PersonKeys: true}

// authorise is the one place that decides whether a person may do something to a project, or with
// project "" to the server. What the person may not even see is for the store's scope to hide.
func authorise(tx Tx, caller berth.Caller, verb Verb, project berth.ID) error {
	least, listed := leastRole[verb]
	if caller.Person == "" {
		return berth.Errorf(berth.EUnauthenticated, "nobody is logged in")
	}
	if caller.Limit != berth.RoleNone && unlimited[verb] {
		return berth.Errorf(berth.EForbidden, "a token with the role %s cannot %s: use a login, or a token without a role", caller.Limit, verb)
	}
	role, err := roleOn(tx, caller, project)
	if err != nil {
		return err
	}
	if !listed || !role.Includes(least) {
		return berth.Errorf(berth.EForbidden, "to %s you need the role %s, and you have %s: ask an owner", verb, orNone(least), orNone(role))
	}
	return nil
}

// roleOn is the greater of the caller's role on the server and on the project, up to the limit of their token.
func roleOn(tx Tx, caller berth.Caller, project berth.ID) (berth.Role, error) {
	role := caller.Role
	if project != "" {
		member, err := tx.RoleOn(caller.Person, project)
		if err != nil {
			return berth.RoleNone, err
		}
		if !role.Includes(member) {
			role = member
		}
	}
	return caller.Limited(role), nil
}

// RoleOn is the caller's role on a project, for who shows what may be asked for. ENotFound where it may not be seen.
func (c *Control) RoleOn(ctx context.Context, caller berth.Caller, project string) (role berth.Role, err error) {
	s := c.As(caller)
	err = s.view(ctx, func(tx Tx) error {
		p, err := s.project(tx, ProjectRead, project)
		if err != nil {
			return err
		}
		role, err = roleOn(tx, caller, p.ID)
		return err
	})
	return role, err
}

func orNone(r berth.Role) string {
	if r == berth.RoleNone {
		return "none"
	}
	return string(r)
}

// project finds a project that the caller may apply verb to.
func (s *Service) project(tx Tx, verb Verb, name string) (berth.Project, error) {
	p, err := tx.Project(s.caller.Scope(), name)
	if err != nil {
		return berth.Project{}, err
	}
	return p, authorise(tx, s.caller, verb, p.ID)
}

// deployment finds a deployment that the caller may apply verb to.
func (s *Service) deployment(tx Tx, verb Verb, ref string) (berth.Deployment, error) {
	d, err := tx.Deployment(s.caller.Scope(), ref)
	if err != nil {
		return berth.Deployment{}, err
	}
	return d, authorise(tx, s.caller, verb, d.ProjectID)
}

// changeable is deployment for a verb that makes no sense on one that is going away.
func (s *Service) changeable(tx Tx, verb Verb, ref string) (berth.Deployment, error) {
	d, err := s.deployment(tx, verb, ref)
	if err == nil && d.Desire == berth.DesireDelete {
		err = berth.Errorf(berth.EConflict, "%s is being deleted", d.Slug)
	}
	return d, err
}

// MayRead finds a deployment whose logs and events the caller may read.
func (c *Control) MayRead(ctx context.Context, caller berth.Caller, ref string) (berth.Deployment, error) {
	return c.may(ctx, caller, StreamRead, ref)
}

// MayExec finds a deployment in whose containers the caller may run commands.
func (c *Control) MayExec(ctx context.Context, caller berth.Caller, ref string) (berth.Deployment, error) {
	return c.may(ctx, caller, StreamExec, ref)
}

func (c *Control) may(ctx context.Context, caller berth.Caller, verb Verb, ref string) (d berth.Deployment, err error) {
	err = c.As(caller).view(ctx, func(tx Tx) error {
		d, err = c.allowed(tx, caller, verb, ref)
		return err
	})
	return d, err
}

// allowed finds a deployment for a caller as they are now.
func (c *Control) allowed(tx Tx, caller berth.Caller, verb Verb, ref string) (berth.Deployment, error) {
	now, err := c.current(tx, caller)
	if err != nil {
		return berth.Deployment{}, err
	}
	return c.As(now).deployment(tx, verb, ref)
}

// Current is the caller as they are now: their role may have changed since they were asked who they are, and with
// their person, token or login gone they are nobody (EUnauthenticated). What lasts asks again and again.
func (c *Control) Current(ctx context.Context, caller berth.Caller) (now berth.Caller, err error) {
	err = c.As(caller).view(ctx, func(tx Tx) error {
		now, err = c.current(tx, caller)
		return err
	})
	return now, err
}

func (c *Control) current(tx Tx, caller berth.Caller) (berth.Caller, error) {
	ended := berth.Errorf(berth.EUnauthenticated, "%s is no longer logged in", caller.Name)
	p, err := tx.Person(caller.Person)
	if berth.CodeOf(err) == berth.ENotFound {
		return berth.Caller{}, ended
	}
	if err != nil {
		return berth.Caller{}, err
	}
	lives, now := true, c.Now()
	switch {
	case caller.Token != "":
		lives, err = tx.TokenLives(caller.Token, now)
	case caller.Login != "":
		lives, err = tx.LoginLives(caller.Login, now, now.Add(-loginIdle))
	}
	if err == nil && !lives {
		err = ended
	}
	caller.Name, caller.Role = p.Name, p.Role
	return caller, err
}
