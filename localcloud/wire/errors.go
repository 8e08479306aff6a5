package wire

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/wire/models"
)

// Error is an error of an AWS API: a code that clients branch on, a text for people, an HTTP status.
type Error struct {
	Code    string
	Message string
	Status  int            // 0: the model's status of the code, else 400
	Fields  map[string]any // further members of the error shape, for the JSON protocols
}

// Errorf returns a client error.
func Errorf(code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Error joins code and text.
func (e *Error) Error() string { return e.Code + ": " + e.Message }

// WithStatus returns the error with an HTTP status; 5xx makes it the server's fault.
func (e *Error) WithStatus(status int) *Error {
	c := *e
	c.Status = status
	return &c
}

// With returns the error with one more member, e.g. the clusterName of an EKS exception.
func (e *Error) With(member string, value any) *Error {
	c := *e
	c.Fields = map[string]any{member: value}
	for k, v := range e.Fields {
		c.Fields[k] = v
	}
	return &c
}

// Code returns the AWS code of an error, or "" when it has none.
func Code(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Code
	}
	if e, ok := errors.AsType[apiError](err); ok {
		return e.ErrorCode()
	}
	return ""
}

// apiError is what the SDK's exception types have, which handlers may return as they are.
type apiError interface {
	error
	ErrorCode() string
	ErrorMessage() string
}

// asError turns whatever a handler returned into an Error of the service. Anything that is not an API error is a
// fault of this server: its text is shown, because the reader owns the server.
func asError(m *models.Service, err error) *Error {
	if denied, ok := errors.AsType[*access.DeniedError](err); ok {
		return deniedError(m, denied)
	}
	if e, ok := errors.AsType[*Error](err); ok {
		if e == ErrThrottled {
			return throttled(m.Protocol)
		}
		c := *e
		if c.Status == 0 {
			c.Status = statusOf(m, c.Code)
		}
		return &c
	}
	if e, ok := errors.AsType[apiError](err); ok {
		return &Error{Code: e.ErrorCode(), Message: e.ErrorMessage(), Status: statusOf(m, e.ErrorCode())}
	}
	code := "InternalFailure"
	if m.Protocol == "ec2" {
		code = "InternalError"
	}
	return &Error{Code: code, Message: err.Error(), Status: http.StatusInternalServerError}
}

func statusOf(m *models.Service, code string) int {
	for name, sh := range m.Shapes {
		if sh.Status != 0 && (sh.Code == code || sh.Code == "" && name == code) {
			return sh.Status
		}
	}
	return http.StatusBadRequest
}

func deniedError(m *models.Service, denied *access.DeniedError) *Error {
	switch m.Protocol {
	case "ec2":
		text := "You are not authorized to perform this operation. " + denied.Error()
		if denied.Request.Resource != "" && denied.Request.Resource != "*" {
			text += ". Encoded authorization failure message: " + denied.Encode()
		}
		return &Error{Code: "UnauthorizedOperation", Message: text, Status: http.StatusForbidden}
	case "query":
		return &Error{Code: "AccessDenied", Message: denied.Error(), Status: http.StatusForbidden}
	case "rest-json":
		return &Error{Code: "AccessDeniedException", Message: denied.Error(), Status: http.StatusForbidden}
	}
	return &Error{Code: "AccessDeniedException", Message: denied.Error(), Status: http.StatusBadRequest}
}

// Message returns the text of an API error without its code, or the whole text of another error.
func Message(err error) string {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Message
	}
	if e, ok := errors.AsType[apiError](err); ok {
		return e.ErrorMessage()
	}
	return err.Error()
}

// forProtocol translates the code of an authentication failure, written as the query services have it, into the
// one that the protocol uses, and sets its status.
func (e *Error) forProtocol(protocol string) *Error {
	c := e.WithStatus(http.StatusForbidden)
	switch protocol {
	case "ec2":
		c.Status = http.StatusUnauthorized
		switch e.Code {
		case "MissingAuthenticationToken":
			c.Code, c.Message = "MissingParameter", "The request must contain the parameter AWSAccessKeyId"
			c.Status = http.StatusBadRequest
		case "InvalidClientTokenId", "SignatureDoesNotMatch", "IncompleteSignature":
			c.Code = "AuthFailure"
			c.Message = "AWS was not able to validate the provided access credentials"
		case "ExpiredToken", "RequestExpired":
			c.Code, c.Message, c.Status = "RequestExpired", "Request has expired.", http.StatusBadRequest
		}
	case "query":
		switch e.Code {
		case "RequestExpired":
			c.Code = "SignatureDoesNotMatch"
		case "IncompleteSignature":
			c.Status = http.StatusBadRequest
		}
	case "json", "rest-json":
		switch e.Code {
		case "InvalidClientTokenId":
			c.Code = "UnrecognizedClientException"
		case "SignatureDoesNotMatch", "RequestExpired":
			c.Code = "InvalidSignatureException"
		case "ExpiredToken":
			c.Code = "ExpiredTokenException"
		default:
			c.Code += "Exception"
		}
		if protocol == "json" {
			c.Status = http.StatusBadRequest
		}
	}
	return c
}

// ErrThrottled is the refusal of a call that comes too fast; each protocol has its own code for it.
var ErrThrottled = &Error{Code: "Throttling", Message: "Rate exceeded"}

func throttled(protocol string) *Error {
	switch protocol {
	case "ec2":
		return &Error{Code: "RequestLimitExceeded", Message: "Request limit exceeded.", Status: http.StatusServiceUnavailable}
	case "query":
		return &Error{Code: "Throttling", Message: "Rate exceeded", Status: http.StatusBadRequest}
	case "rest-json":
		return &Error{Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusTooManyRequests}
	}
	return &Error{Code: "ThrottlingException", Message: "Rate exceeded", Status: http.StatusBadRequest}
}
