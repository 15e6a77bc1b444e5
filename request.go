package berth

import "time"

// Request is one request that came for a host of a deployment, and what became of it. Its query is
// not kept, since queries carry secrets.
type Request struct {
	Time        time.Time `json:"time"`
	Element     string    `json:"element"`
	Instance    string    `json:"instance,omitempty"` // that answered; empty: Berth did
	Client      string    `json:"client"`             // its address
	Host        string    `json:"host"`
	Method      string    `json:"method"`
	Path        string    `json:"path"`
	Protocol    string    `json:"protocol"`
	Status      int       `json:"status"` // 499: the client left before there was an answer
	Bytes       int64     `json:"bytes"`  // of the answer's body
	DurationMs  float64   `json:"durationMs"`
	FirstByteMs float64   `json:"firstByteMs,omitempty"` // until the answer began
}
