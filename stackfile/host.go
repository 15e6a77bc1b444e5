package stackfile

import (
	"fmt"

	"github.com/berth-dev/berth"
)

// defaultService is the Service that a package's ports belong to when it names none.
const defaultService = "app"

// Host is a public name of an element, or a port of its Service.
type Host struct {
	Identifier string
	Name       string
	Port       int    // 0: not said
	Legacy     bool   // of the older format, whose charts fix the port themselves
	Link       string // where a click on the host leads; may hold expressions
	Endpoint   *bool  // of a project's host, as written; nil: not said
	// Service and Internal are filled in by MergeHosts.
	Service  string // the Service that the port belongs to
	Internal bool   // a port without a public name
}

// MergeHosts returns the hosts that an element has: the package's, changed and extended by the
// element's entries of equal identifier. A nil element list changes nothing, an empty one means no
// host at all. What could not be honoured is said in warnings.
func MergeHosts(packaged, element []Host, supportsAdditional map[string]string) (merged []Host, warnings []string) {
	if element != nil && len(element) == 0 {
		return nil, nil
	}
	service := supportsAdditional["serviceName"]
	if service == "" {
		service = defaultService
	}
	at := map[string]int{}
	for _, host := range packaged {
		if _, twice := at[host.Identifier]; twice {
			continue
		}
		host.Service = service
		at[host.Identifier] = len(merged)
		merged = append(merged, host)
	}
	for _, host := range element {
		i, known := at[host.Identifier]
		switch {
		case known:
			warnings = append(warnings, override(&merged[i], host)...)
		case len(supportsAdditional) == 0:
			warnings = append(warnings, fmt.Sprintf("host %s is left out: the package has fixed hosts only", host.Identifier))
		case host.Port == 0:
			warnings = append(warnings, fmt.Sprintf("host %s is left out: it has no port; add one", host.Identifier))
		default:
			if host.Endpoint == nil {
				warnings = append(warnings, fmt.Sprintf("port %d (%s) has no public host; add endpoint: true to give it one", host.Port, host.Identifier))
			}
			host.Service, host.Internal = service, host.Endpoint == nil || !*host.Endpoint
			at[host.Identifier] = len(merged)
			merged = append(merged, host)
		}
	}
	return merged, warnings
}

// override changes a package's host by what the element says of it.
func override(host *Host, by Host) (warnings []string) {
	if by.Name != "" {
		host.Name = by.Name
	}
	if by.Endpoint != nil {
		host.Internal = !*by.Endpoint
	}
	switch {
	case by.Port == 0:
	case host.Legacy && by.Port != host.Port:
		warnings = append(warnings, fmt.Sprintf("the port of host %s stays as it is: the package fixes it", host.Identifier))
	default:
		host.Port = by.Port
	}
	return warnings
}

// portNameLimit is how long a Kubernetes port name may be, which a host's identifier becomes.
const portNameLimit = 15

var (
	packageHostKeys = keys{known: []string{"identifier", "name", "port", "urlFormat", "link"}}
	projectHostKeys = keys{known: []string{"identifier", "name", "port", "endpoint"}}
)

// packageHosts reads a package's hosts.
func packageHosts(list value) (hosts []Host) {
	for _, item := range list.list() {
		o := item.object(packageHostKeys)
		host := readHost(o)
		host.Legacy = o.has("urlFormat") && !o.has("port")
		host.Link = o.get("link").text()
		if host.Identifier != "" {
			hosts = append(hosts, host)
		}
	}
	return hosts
}

// projectHosts reads an element's hosts; the result is never nil.
func projectHosts(list value) []Host {
	hosts, lines := []Host{}, map[string]int{}
	for _, item := range list.list() {
		o := item.object(projectHostKeys)
		host := readHost(o)
		if o.has("endpoint") {
			public := o.get("endpoint").boolean()
			host.Endpoint = &public
		}
		if host.Identifier == "" {
			continue
		}
		if line, twice := lines[host.Identifier]; twice {
			o.get("identifier").fail("%s is already the host on line %d; every host of an element needs its own identifier", shown(host.Identifier), line)
			continue
		}
		lines[host.Identifier] = o.at.Line
		hosts = append(hosts, host)
	}
	return hosts
}

func readHost(o object) Host {
	host := Host{Identifier: identifier(o), Name: o.get("name").line()}
	if o.has("port") {
		host.Port = o.get("port").port()
	}
	if len(host.Identifier) > portNameLimit {
		o.get("identifier").warn("is longer than %d characters, which Kubernetes does not accept as the name of a port", portNameLimit)
	}
	return host
}

// identifier reads a required name of the kind that becomes part of host names.
func identifier(o object) string {
	v := o.get("identifier")
	if v.absent() {
		v.fail("is missing; give it a name of its own, like my-app-2")
		return ""
	}
	name := v.text()
	if err := berth.ValidateName("identifier", name); err != nil {
		v.fail("%s", sentence(err))
		return ""
	}
	return name
}
