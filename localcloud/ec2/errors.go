package ec2

import (
	"strings"

	"github.com/automode-dev/automode/localcloud/wire"
)

// errorf makes an error that the client sees with this code and text.
func errorf(code, format string, args ...any) *wire.Error { return wire.Errorf(code, format, args...) }

func missing(parameter string) error {
	return errorf("MissingParameter", "The request must contain the parameter %s", parameter)
}

func invalid(format string, args ...any) error {
	return errorf("InvalidParameterValue", format, args...)
}

func combination(format string, args ...any) error {
	return errorf("InvalidParameterCombination", format, args...)
}

func dependency(format string, args ...any) error {
	return errorf("DependencyViolation", format, args...)
}

func incorrectState(format string, args ...any) error {
	return errorf("IncorrectState", format, args...)
}

// plural ends "The x ID 'a' does not exist" and its plural form as EC2 does.
func notExist(what string, ids []string) (text string) {
	if len(ids) == 1 {
		return "The " + what + " ID '" + ids[0] + "' does not exist"
	}
	return "The " + what + " IDs '" + strings.Join(ids, ", ") + "' do not exist"
}
