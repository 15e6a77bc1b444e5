package berth

import (
	"fmt"
	"time"
)

// Host is a public name of an element.
type Host struct {
	Deployment ID     `json:"-"`
	Element    string `json:"element"`
	Identifier string `json:"identifier"`
	Label      string `json:"-"` // generated part, without the base domain
	Name       string `json:"name"`
	URL        string `json:"url"`
	// Certificate is filled in where one deployment is shown.
	Certificate Certificate `json:"certificate,omitzero"`
	// Protection is filled in where one deployment or its hosts are shown. Nil: everybody may ask.
	Protection *Protection `json:"protection,omitempty"`
	RedirectTo string      `json:"-"` // a former label: where its requests go
	Until      time.Time   `json:"-"` // when a former label ends
}

// ConsoleLabel is the one label below the base domain that is Berth's own.
const ConsoleLabel = "console"

// ValidateLabel checks the label that a person gives a host: the part before the base domain.
func ValidateLabel(field, label string) error {
	refuse := func(message string) error { return &Error{Code: EInvalid, Field: field, Message: message} }
	switch {
	case len(label) > MaxLabel:
		return refuse(fmt.Sprintf("a host's name may have at most %d characters before the server's domain", MaxLabel))
	case !namePattern.MatchString(label):
		return refuse("a host's name, before the server's domain, must be lower-case letters, digits and single hyphens, and start with a letter, like my-app-2")
	case label == ConsoleLabel:
		return refuse(label + " is Berth's own: choose another name")
	}
	return nil
}

// Route says which container port a host leads to. Charts decide it.
type Route struct {
	Host       string `json:"host"` // the name that the chart was rendered with
	Element    string `json:"element"`
	Identifier string `json:"identifier,omitempty"` // of the element's host
	Workload   string `json:"workload"`             // name of the controller object whose pods answer
	Port       int    `json:"port"`                 // the pod's port (the Service's targetPort)
}

// ServiceName is a name that the deployment's own containers can resolve.
type ServiceName struct {
	Element  string        `json:"element"`
	Name     string        `json:"name"`
	Workload string        `json:"workload"`
	Ports    []ServicePort `json:"ports"`
}

// ServicePort maps a Service's port to the pod's.
type ServicePort struct {
	Port   int `json:"port"`
	Target int `json:"target"`
}
