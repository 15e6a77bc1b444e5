package berth

import (
	"strings"
	"time"
)

// Login is a browser's, without its secret.
type Login struct {
	ID        ID        `json:"id"`
	Person    ID        `json:"person"`
	Device    string    `json:"device"`  // such as "Firefox on Linux"
	Address   string    `json:"address"` // from which it began
	CreatedAt time.Time `json:"createdAt"`
	LastUsed  time.Time `json:"lastUsed"`
	ExpiresAt time.Time `json:"expiresAt"`         // whatever it is used for; it ends earlier when nobody uses it
	Current   bool      `json:"current,omitempty"` // the one that asks
}

// LoginClient is what is known of who logs in.
type LoginClient struct {
	Address   string // without a port; empty: the server's own machine
	UserAgent string
}

// LinkPurpose is what a one-time link lets its holder do besides logging in.
type LinkPurpose string

const (
	LinkSetUp      LinkPurpose = "setup"      // the first login of all: choose a name and a password
	LinkInvitation LinkPurpose = "invitation" // the person's first login: choose a password
	LinkLogin      LinkPurpose = "login"      // choose a new password
)

// Link is a one-time link that is still good.
type Link struct {
	Purpose   LinkPurpose
	Person    string
	ExpiresAt time.Time
}

// Choices are what a person chooses with a one-time link; both may be left out.
type Choices struct {
	Name     string // at the server's set-up only
	Password Secret
}

// browsers and systems are what a User-Agent is shortened to, in the order in which they are looked for: most
// browsers also name others that they are like.
var (
	browsers = [][2]string{
		{"Edg", "Edge"}, {"OPR/", "Opera"}, {"Firefox/", "Firefox"}, {"FxiOS/", "Firefox"}, {"CriOS/", "Chrome"},
		{"Chrome/", "Chrome"}, {"Chromium/", "Chromium"}, {"Safari/", "Safari"}, {"curl/", "curl"},
	}
	systems = [][2]string{
		{"Windows", "Windows"}, {"Android", "Android"}, {"iPhone", "iPhone"}, {"iPad", "iPad"}, {"Mac OS X", "macOS"},
		{"CrOS", "ChromeOS"}, {"Linux", "Linux"},
	}
)

// DeviceOf shortens a User-Agent (RFC 9110, 10.1.5) to words of ours: what a client says of itself is shown to people.
func DeviceOf(userAgent string) string {
	browser, system := firstNamed(userAgent, browsers), firstNamed(userAgent, systems)
	switch {
	case browser == "" && system == "":
		return "unknown"
	case browser == "":
		return "a program on " + system
	case system == "":
		return browser
	}
	return browser + " on " + system
}

func firstNamed(text string, names [][2]string) string {
	for _, n := range names {
		if strings.Contains(text, n[0]) {
			return n[1]
		}
	}
	return ""
}
