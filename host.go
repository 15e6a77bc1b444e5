package berth

import "time"

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

// Route says which container port a host leads to. Charts decide it.
type Route struct {
	Host     string `json:"host"`
	Element  string `json:"element"`
	Workload string `json:"workload"` // name of the controller object whose pods answer
	Port     int    `json:"port"`     // the pod's port (the Service's targetPort)
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
