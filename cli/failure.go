package cli

import (
	"errors"
	"fmt"
	"strings"
)

// FailureID names a kind of failure for good: it is an anchor of docs/reference/errors.md and decides the exit code.
type FailureID string

// The kinds of failure. docs/reference/errors.md is generated from this list.
const (
	Internal         FailureID = "INTERNAL"
	Usage            FailureID = "USAGE"
	BadConfig        FailureID = "BAD-CONFIG"
	UnknownRegion    FailureID = "UNKNOWN-REGION"
	PortTaken        FailureID = "PORT-TAKEN"
	PackagesMissing  FailureID = "PACKAGES-MISSING"
	BinariesMissing  FailureID = "BINARIES-MISSING"
	NeedsRoot        FailureID = "NEEDS-ROOT"
	DiskFull         FailureID = "DISK-FULL"
	HalfRemoved      FailureID = "HALF-REMOVED"
	NotRunning       FailureID = "NOT-RUNNING"
	CloudUnreachable FailureID = "CLOUD-UNREACHABLE"
	AccessDenied     FailureID = "ACCESS-DENIED"
	NotFound         FailureID = "NOT-FOUND"
	ClusterFailed    FailureID = "CLUSTER-FAILED"
	TimedOut         FailureID = "TIMED-OUT"
	Unhealthy        FailureID = "UNHEALTHY"
	BadImage         FailureID = "BAD-IMAGE"
	LeftBehind       FailureID = "LEFT-BEHIND"
)

// kind is what is the same for every failure of one ID.
type kind struct {
	exit    int
	meaning string
	advice  string
}

var kinds = map[FailureID]kind{
	Internal:         {1, "Something failed that has no better name.", "run again with -v to see the causes; `automode status` tells what is unhealthy"},
	Usage:            {2, "The command line could not be understood.", "see `automode help`"},
	BadConfig:        {3, "A configuration file or flag has a value that cannot be used.", "correct the value named in the message"},
	UnknownRegion:    {3, "The region is not in the catalogue.", "use one of the regions named in the message"},
	PortTaken:        {4, "Another process listens on a port that is needed.", "stop that process, or choose another port with --port"},
	PackagesMissing:  {5, "Programs of the distribution are missing.", "install them: `make setup`, or the apt-get line in the message"},
	BinariesMissing:  {5, "The Kubernetes binaries are not built or not found.", "run `make build`, or point AUTOMODE_LIBEXEC at the directory that holds kubernetes-<version>"},
	NeedsRoot:        {6, "Real machines need root.", "run as root, or use --machines simulated"},
	DiskFull:         {7, "The disk that holds the home directory is full.", "free space, or choose another place with --home"},
	HalfRemoved:      {8, "An earlier cluster was only half removed.", "run `automode down` to finish removing it"},
	NotRunning:       {9, "There is no local cloud in this home directory, or it is stopped.", "start it with `automode up`"},
	CloudUnreachable: {10, "The cloud does not answer.", "`automode up` starts what does not run; logs are in cloud/ of the home directory"},
	AccessDenied:     {11, "The cloud refused the credentials, or they do not allow the operation.", "for the local cloud: eval \"$(automode env)\""},
	NotFound:         {12, "What was named does not exist.", "`automode get clusters` lists the clusters that do"},
	ClusterFailed:    {13, "The cluster could not be brought up.", "the message names the condition; logs are in the cluster's directory of the home"},
	TimedOut:         {14, "Something took longer than it was given.", "run the command again: it goes on where it stopped"},
	Unhealthy:        {15, "Something that should run does not.", "the table names the condition and the last problem"},
	BadImage:         {16, "The image file cannot be used.", "give an OCI layout, its tar, or the tar of `docker save`"},
	LeftBehind:       {17, "Something could not be removed.", "the message lists it; run `automode down` again when the cause is gone"},
}

// ExitCode is the process's exit code for failures of this kind, 1 to 17.
func (id FailureID) ExitCode() int { return kinds[id].exit }

func (id FailureID) anchor() string { return strings.ToLower(string(id)) }

// Failure is an error for a person: what failed, where and with which value (Err), and which kind it is.
type Failure struct {
	ID     FailureID
	Advice string // instead of the kind's own advice, where more is known
	Err    error
}

func (f *Failure) Error() string { return f.Err.Error() }
func (f *Failure) Unwrap() error { return f.Err }

func (f *Failure) advice() string {
	if f.Advice != "" {
		return f.Advice
	}
	return kinds[f.ID].advice
}

// fail makes a Failure of the given kind; the format may wrap a cause with %w.
func fail(id FailureID, format string, args ...any) *Failure {
	return &Failure{ID: id, Err: fmt.Errorf(format, args...)}
}

// usage marks an error of the command line, unless it is a Failure already.
func usage(err error) error {
	var failure *Failure
	if err == nil || errors.As(err, &failure) {
		return err
	}
	return &Failure{ID: Usage, Err: err}
}
