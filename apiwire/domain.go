package apiwire

// NewProjectDomain names a domain of a whole project.
type NewProjectDomain struct {
	Name string `json:"name" example:"apps.example.com" doc:"All names one label below it lead here"`
}

// NewDomain names a domain of a team's own.
type NewDomain struct {
	Name    string `json:"name" example:"shop.example.com" doc:"Without scheme and port"`
	Element string `json:"element,omitempty" doc:"Empty: the only one that has a public host"`

	RedirectTo string `json:"redirectTo,omitempty" example:"www.example.com" doc:"A domain of the deployment to which requests are sent instead, with 308"`
}
