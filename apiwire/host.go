package apiwire

// ProtectHosts says what visitors of hosts need.
type ProtectHosts struct {
	Host     string   `json:"host,omitempty" doc:"A host's name, label or element. Empty: all, those of later releases included"`
	Password string   `json:"password,omitempty" doc:"Asked for with any user name; stored hashed and never shown. Empty: as it is"`
	Allow    []string `json:"allow,omitempty" example:"[\"10.0.0.0/8\"]" doc:"Networks and addresses that may ask, in the place of those before. Empty: as it is"`
}

// RenameHost gives a host another label.
type RenameHost struct {
	Host  string `json:"host" minLength:"1" doc:"The host's name, label or element"`
	Label string `json:"label" example:"shop" doc:"The part of the new name before the server's domain"`
}

// OpenHosts says which protection ends.
type OpenHosts struct {
	Host     string `json:"host,omitempty" doc:"A host's name, label or element. Empty: all"`
	Password bool   `json:"password,omitempty" doc:"The password ends"`
	Allow    bool   `json:"allow,omitempty" doc:"The list of networks ends. With neither, both do"`
}
