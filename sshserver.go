package berth

import "fmt"

// SSHServer is where a server answers SSH. The zero value: nowhere.
type SSHServer struct {
	Host string `json:"host"`
	Port int    `json:"port"`
	// HostKeys are what it shows there, as lines of known_hosts without a host.
	HostKeys []string `json:"hostKeys"`
}

const sshPort = 22

// Command is what a person types to come in as user.
func (s SSHServer) Command(user string) string {
	if s.Port == sshPort {
		return fmt.Sprintf("ssh %s@%s", user, s.Host)
	}
	return fmt.Sprintf("ssh -p %d %s@%s", s.Port, user, s.Host)
}

// Commands are those of every element of a deployment, the one first that its bare name leads to.
func (s SSHServer) Commands(slug string, elements []ElementStatus) []SSHCommand {
	list := []SSHCommand{}
	if s.Host == "" || len(elements) == 0 {
		return list
	}
	first := DefaultElement(elements)
	list = append(list, SSHCommand{Element: first, Command: s.Command(slug)})
	for _, e := range elements {
		if e.Identifier != first {
			list = append(list, SSHCommand{Element: e.Identifier, Command: s.Command(slug + "." + e.Identifier)})
		}
	}
	return list
}

// Workspace is the element in which people work on a development deployment.
const Workspace = "workspace"

// DefaultElement is where a person lands who names none: the workspace, else the first component, else the first
// element. There is at least one.
func DefaultElement(elements []ElementStatus) string {
	first := ""
	for _, e := range elements {
		if e.Identifier == Workspace {
			return Workspace
		}
		if first == "" && e.Kind == KindComponent {
			first = e.Identifier
		}
	}
	if first == "" {
		return elements[0].Identifier
	}
	return first
}
