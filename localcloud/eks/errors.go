package eks

import "github.com/automode-dev/automode/localcloud/wire"

// invalidParameter is the answer to a value that can never be right.
func invalidParameter(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidParameterException", format, args...)
}

// invalidRequest is the answer to a call that the present state does not allow.
func invalidRequest(format string, args ...any) *wire.Error {
	return wire.Errorf("InvalidRequestException", format, args...)
}

// notFound is the answer to a call about something that is not there.
func notFound(format string, args ...any) *wire.Error {
	return wire.Errorf("ResourceNotFoundException", format, args...)
}

// inUse is the answer to a call that conflicts with a name or a change.
func inUse(format string, args ...any) *wire.Error {
	return wire.Errorf("ResourceInUseException", format, args...)
}

func noCluster(name string) *wire.Error {
	return notFound("No cluster found for name: %s.", name).With("clusterName", name)
}
