package peer

import (
	"errors"
	"net/http"
)

// Error is a handler's refusal as it crosses the wire.
type Error struct {
	Code    string `json:"error_code"`
	Message string `json:"description"`
	Hint    string `json:"hint,omitempty"`
}

// Error renders the sentence and, behind a semicolon, the hint.
func (e *Error) Error() string {
	if e.Hint == "" {
		return e.Message
	}
	return e.Message + "; " + e.Hint
}

// WireError implements [WireError], so that an error received from one node
// may be passed on to another.
func (e *Error) WireError() (code, message, hint string) { return e.Code, e.Message, e.Hint }

// WireError is implemented by errors whose code, sentence and hint reach the
// caller. Of all others the caller learns only that they were internal.
type WireError interface {
	error
	WireError() (code, message, hint string)
}

const (
	codeInternal   = "internal_error"
	codeBadRequest = "bad_request"
	codeTooLarge   = "body_too_large"
	codeUnknown    = "not_supported"
	codeRemoved    = "node_removed"
)

func wireError(err error) (wire *Error, known bool) {
	var e WireError
	if !errors.As(err, &e) {
		return &Error{Code: codeInternal, Message: "internal error"}, false
	}
	code, message, hint := e.WireError()
	return &Error{Code: code, Message: message, Hint: hint}, true
}

// status is for people who look at the traffic; callers read the code.
func (e *Error) status() int {
	switch e.Code {
	case codeBadRequest:
		return http.StatusBadRequest
	case codeTooLarge:
		return http.StatusRequestEntityTooLarge
	case codeRemoved:
		return http.StatusForbidden
	case codeUnknown:
		return http.StatusNotFound
	case codeInternal:
		return http.StatusInternalServerError
	}
	return http.StatusConflict
}
