package nodes

import (
	"errors"
	"fmt"
	"testing"

	"github.com/automode-dev/automode/compute"
)

func TestReason(t *testing.T) {
	denied := func(why string) error {
		return fmt.Errorf("creating fleet: %w", &compute.Failure{Kind: compute.Unauthorized, Code: "UnauthorizedOperation", Message: "You are not authorized to perform this operation. User: arn:aws:sts::1:assumed-role/r/s is not authorized to perform: ec2:CreateFleet on resource: x " + why})
	}
	for _, example := range []struct {
		err             error
		reason, message string
	}{
		{denied("because no identity-based policy allows the ec2:CreateFleet action"), "Unauthorized", "User is not authorized to perform this operation because no identity-based policy allows it"},
		{denied("with an explicit deny in a permissions boundary"), "Unauthorized", "User is not authorized to perform this operation due to a permission boundary"},
		{denied("with an explicit deny in a service control policy"), "Unauthorized", "User is not authorized to perform this operation due to a service control policy"},
		{denied("with an explicit deny in an identity-based policy"), "Unauthorized", "User is not authorized to perform this operation due to an explicit deny"},
		{denied(""), "Unauthorized", "User is not authorized to perform this operation"},
		{&compute.Failure{Kind: compute.Throttled, Code: "RequestLimitExceeded"}, "Throttled", "The cloud is limiting the rate of requests"},
		{&compute.Failure{Kind: compute.Invalid, Code: "InvalidParameterValue", Message: "Invalid IAM Instance Profile name"}, "InvalidConfiguration", "Invalid IAM Instance Profile name"},
		{errors.New("connection refused"), "LaunchFailed", "connection refused"},
	} {
		reason, message := Reason(example.err)
		if reason != example.reason || message != example.message {
			t.Errorf("Reason(%v) = %q, %q, want %q, %q", example.err, reason, message, example.reason, example.message)
		}
	}
}
