package compute

import (
	"errors"
	"fmt"
)

// Kind is one of the few kinds of failure the product acts on.
type Kind string

const (
	// NotFound: what was asked for does not exist (any more).
	NotFound Kind = "NotFound"
	// NoCapacity: the cloud cannot give this offering now; another one may do.
	NoCapacity Kind = "NoCapacity"
	// Throttled: too many calls; the same call may succeed later.
	Throttled Kind = "Throttled"
	// Unauthorized: a policy is missing or denies.
	Unauthorized Kind = "Unauthorized"
	// Invalid: the cloud refuses the parameters.
	Invalid Kind = "Invalid"
	// Other: everything else.
	Other Kind = "Other"
)

// Failure is a failed call to the cloud, classified once where it happened.
type Failure struct {
	Kind Kind
	// Code is the cloud's own error code, "UnauthorizedOperation".
	Code string
	// Message is the cloud's own text.
	Message string
}

func (f *Failure) Error() string { return fmt.Sprintf("%s: %s", f.Code, f.Message) }

// KindOf is the kind of the Failure that err wraps; Other for any other error and "" for nil.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var failure *Failure
	if errors.As(err, &failure) {
		return failure.Kind
	}
	return Other
}

// IsNotFound tells whether err says that something does not exist.
func IsNotFound(err error) bool { return KindOf(err) == NotFound }

// CodeOf is the cloud's error code inside err, or "".
func CodeOf(err error) string {
	var failure *Failure
	if errors.As(err, &failure) {
		return failure.Code
	}
	return ""
}
