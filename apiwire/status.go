package apiwire

import (
	"net/http"

	"github.com/berth-dev/berth"
)

// StatusOf is the one place that maps codes to HTTP.
func StatusOf(code berth.Code) int {
	switch code {
	case berth.EInvalid:
		return http.StatusUnprocessableEntity
	case berth.EUnauthenticated:
		return http.StatusUnauthorized
	case berth.EForbidden:
		return http.StatusForbidden
	case berth.ENotFound:
		return http.StatusNotFound
	case berth.EConflict:
		return http.StatusConflict
	case berth.EUnavailable:
		return http.StatusServiceUnavailable
	case berth.EUnsupported:
		return http.StatusNotImplemented
	}
	return http.StatusInternalServerError
}
