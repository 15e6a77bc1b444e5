package berth

import (
	"errors"
	"fmt"
)

// Code classifies an error for every edge: HTTP status, exit code, retry.
type Code string

const (
	EInvalid         Code = "invalid"         // the request or a file is wrong; Field says where
	EUnauthenticated Code = "unauthenticated" // nobody known is asking
	EForbidden       Code = "forbidden"       // somebody known, who may see it but not do it
	ENotFound        Code = "not_found"       // does not exist, or not for this person
	EConflict        Code = "conflict"        // clashes with what exists
	EUnavailable     Code = "unavailable"     // true now, may pass: a source, registry or engine does not answer
	EUnsupported     Code = "unsupported"     // this server or engine cannot do it
	EInternal        Code = "internal"        // a fault of ours; its text stays in the server's log
)

// Error is an error a person may read: Message says what happened and what to do.
type Error struct {
	Code    Code
	Message string
	Field   string // what it is about: "name", "components[0].package"; may be empty
	Err     error  // the cause, for the log; never shown
}

func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

func (e *Error) Unwrap() error { return e.Err }

// Errorf makes a coded error whose text is for people. A %w operand becomes its cause.
func Errorf(code Code, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Code: code, Message: err.Error(), Err: errors.Unwrap(err)}
}

// CodeOf returns the code of the first *Error in err's chain, EInternal for any other error, "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	if e := (*Error)(nil); errors.As(err, &e) {
		return e.Code
	}
	return EInternal
}

// MessageOf returns what may be shown to a person: the coded error's text, or a fixed sentence.
func MessageOf(err error) string {
	if err == nil {
		return ""
	}
	if e := (*Error)(nil); errors.As(err, &e) && e.Code != EInternal {
		return e.Error()
	}
	return "Something went wrong inside Berth; the server's log has the details."
}
