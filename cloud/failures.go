package cloud

import (
	"errors"
	"strings"

	"github.com/aws/smithy-go"

	"github.com/automode-dev/automode/compute"
)

// noCapacity are codes that say "not this offering now".
var noCapacity = map[string]bool{
	"InsufficientInstanceCapacity": true, "MaxSpotInstanceCountExceeded": true, "VcpuLimitExceeded": true,
	"UnfulfillableCapacity": true, "Unsupported": true, "InsufficientFreeAddressesInSubnet": true,
	"MaxFleetCountExceeded": true, "ReservationCapacityExceeded": true, "InsufficientHostCapacity": true,
	"InsufficientReservedInstanceCapacity": true, "InsufficientCapacity": true, "SpotMaxPriceTooLow": true,
	"InsufficientAddressCapacity": true, "InsufficientCidrBlocks": true, "InstanceLimitExceeded": true,
	"AuthFailure.ServiceLinkedRoleCreationNotPermitted": true,
}

var throttled = map[string]bool{
	"RequestLimitExceeded": true, "Throttling": true, "ThrottlingException": true, "TooManyRequestsException": true, "SlowDown": true,
}

var unauthorized = map[string]bool{
	"UnauthorizedOperation": true, "AccessDenied": true, "AccessDeniedException": true, "AuthFailure": true, "NotAuthorized": true,
}

// classify turns an error of the SDK into a compute.Failure; other errors stay what they are.
func classify(err error) error {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return err
	}
	return failure(api.ErrorCode(), api.ErrorMessage())
}

func failure(code, message string) *compute.Failure {
	return &compute.Failure{Kind: kind(code), Code: code, Message: message}
}

func kind(code string) compute.Kind {
	switch {
	case noCapacity[code]:
		return compute.NoCapacity
	case throttled[code]:
		return compute.Throttled
	case unauthorized[code]:
		return compute.Unauthorized
	case strings.HasSuffix(code, ".NotFound"), strings.HasSuffix(code, ".NotFoundException"), code == "NoSuchEntity", code == "ParameterNotFound", code == "ResourceNotFoundException":
		return compute.NotFound
	case strings.HasPrefix(code, "Invalid"), strings.HasPrefix(code, "Missing"), code == "ValidationError", code == "ValidationException":
		return compute.Invalid
	}
	return compute.Other
}

// dryRunPassed tells whether the error is EC2's way to say that a dry run would have succeeded.
func dryRunPassed(err error) bool {
	var api smithy.APIError
	return errors.As(err, &api) && api.ErrorCode() == "DryRunOperation"
}
