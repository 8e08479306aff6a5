package ec2

import (
	"context"
	"errors"
	"time"

	"github.com/automode-dev/automode/localcloud/machine"
	"github.com/automode-dev/automode/localcloud/vpc"
)

// Fabric makes the networks of VPCs real.
type Fabric interface {
	// Apply converges to the picture of one VPC; it is whole each time, and applying it again changes nothing.
	Apply(ctx context.Context, n vpc.Network) error
	// Remove takes everything of the VPC away; a VPC that was never applied is fine.
	Remove(ctx context.Context, vpcID string) error
}

// Machines makes instances real.
type Machines interface {
	// NetNS is the file of the network namespace of a machine, existing or not; empty where machines have none.
	NetNS(id string) string
	// Ensure starts the machine or lets a running one be; it returns before the machine has booted.
	Ensure(ctx context.Context, spec machine.Spec) error
	// Stop ends the machine and keeps its data, so that Ensure starts it again; an unknown one is fine.
	Stop(ctx context.Context, id string) error
	// Remove returns when nothing of the machine is left; an unknown one is fine.
	Remove(ctx context.Context, id string) error
	// Console is what the machine wrote to its console; nothing for an unknown one.
	Console(ctx context.Context, id string) ([]byte, error)
}

// Namespaces makes network namespaces for interfaces that belong to no instance.
type Namespaces interface {
	// Make returns the file of the namespace with the name, making it where it is missing.
	Make(name string) (file string, err error)
	// Remove takes the namespace away; one that is not there is fine.
	Remove(name string) error
}

// HomeNamespaces keeps namespaces in the files that path gives for their names.
type HomeNamespaces func(name string) (file string)

// Make makes the namespace.
func (path HomeNamespaces) Make(name string) (string, error) {
	return path(name), vpc.CreateNetNS(path(name))
}

// Remove takes it away.
func (path HomeNamespaces) Remove(name string) error { return vpc.DeleteNetNS(path(name)) }

// ErrNoSuchProfile means that IAM has no instance profile of that name or ARN.
var ErrNoSuchProfile = errors.New("no such instance profile")

// Profiles looks instance profiles up in IAM and hands out the credentials of their roles.
type Profiles interface {
	// InstanceProfile finds a profile by name or ARN; ErrNoSuchProfile when there is none.
	InstanceProfile(ctx context.Context, nameOrARN string) (Profile, error)
	// RoleCredentials returns current credentials of the role for the instance, whose id is the session name.
	RoleCredentials(ctx context.Context, roleARN, instanceID string) (Credentials, error)
}

// Profile is an instance profile; its role may be missing.
type Profile struct{ ARN, ID, Name, RoleARN, RoleName string }

// Credentials are temporary credentials of a role.
type Credentials struct {
	AccessKeyID, SecretAccessKey, Token string
	LastUpdated, Expiration             time.Time
}

// How long ended things stay visible.
const (
	terminatedVisible = time.Hour
	deletedNATVisible = time.Hour
	tokenValid        = 24 * time.Hour
)
