package nodes

import (
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/karpenter/pkg/cloudprovider"

	"github.com/automode-dev/automode/compute"
)

// Reasons of the Launched condition of a claim that could not be launched.
const (
	reasonUnauthorized = "Unauthorized"
	reasonThrottled    = "Throttled"
	reasonInvalid      = "InvalidConfiguration"
	reasonFailed       = "LaunchFailed"
)

const notAuthorized = "User is not authorized to perform this operation"

// denials maps what AWS says at the end of a denial to what is shown.
var denials = []struct{ said, shown string }{
	{"no identity-based policy allows", notAuthorized + " because no identity-based policy allows it"},
	{"permissions boundary", notAuthorized + " due to a permission boundary"},
	{"service control policy", notAuthorized + " due to a service control policy"},
	{"session policy", notAuthorized + " due to a session policy"},
	{"explicit deny", notAuthorized + " due to an explicit deny"},
}

// createError says what failed in the words of the NodeClaim's condition.
func createError(step string, err error) error {
	reason, message := Reason(err)
	return cloudprovider.NewCreateError(fmt.Errorf("%s: %w", lowerFirst(step), err), reason, step+": "+message)
}

// Reason gives the condition reason and the text for a failed call.
func Reason(err error) (reason, message string) {
	switch compute.KindOf(err) {
	case compute.Unauthorized:
		return reasonUnauthorized, denial(err)
	case compute.Throttled:
		return reasonThrottled, "The cloud is limiting the rate of requests"
	case compute.Invalid:
		return reasonInvalid, text(err)
	}
	return reasonFailed, text(err)
}

func denial(err error) string {
	for _, d := range denials {
		if strings.Contains(err.Error(), d.said) {
			return d.shown
		}
	}
	return notAuthorized
}

// text is the cloud's own message without ids that change with every attempt, or the error itself.
func text(err error) string {
	var failure *compute.Failure
	if errors.As(err, &failure) && failure.Message != "" {
		return failure.Message
	}
	return err.Error()
}

func lowerFirst(s string) string { return strings.ToLower(s[:1]) + s[1:] }
