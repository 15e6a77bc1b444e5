package main

import (
	"fmt"
	"time"

	"github.com/berth-dev/berth"
)

var certificateColours = map[berth.CertificateState]colour{
	berth.CertificatePublic: green, berth.CertificateLocal: dim, berth.CertificateWaiting: yellow, berth.CertificateRefused: yellow,
}

// certificateCell says in one line what vouches for a host.
func (a *app) certificateCell(c berth.Certificate) cell {
	text := ""
	switch c.State {
	case "":
	case berth.CertificatePublic:
		text = fmt.Sprintf("certificate of %s until %s", c.Issuer, c.NotAfter.Format(time.DateOnly))
	default:
		text = "certificate of " + c.Issuer
	}
	if c.Message != "" {
		text += ": " + oneLine(c.Message)
	}
	return cell{text, certificateColours[c.State]}
}
