package eks

import (
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// record is all that is kept of a cluster.
type record struct {
	// Cluster is what DescribeCluster answers.
	Cluster types.Cluster
	Region  string
	Account string
	// HostPort is the loopback port of the API server, held for life.
	HostPort int
	// Creator is the principal who made the cluster.
	Creator string
	// Request is a digest of the creating request, for its idempotency token.
	Request string
	// Update is the id of the update in progress, Target what the cluster shall
	// be when it ends.
	Update string         `json:",omitempty"`
	Target *types.Cluster `json:",omitempty"`
	// Deadline is when an unfinished creation or update becomes a failure.
	Deadline time.Time
}

func (r *record) name() string { return aws.ToString(r.Cluster.Name) }

func (r *record) key() string { return recordKey(r.Region, r.name()) }

// plane is the name of the cluster's control plane, unique in this cloud.
func (r *record) plane(defaultRegion string) string {
	if r.Region == defaultRegion {
		return r.name()
	}
	return r.name() + "." + r.Region
}

// wanted is the cluster as it shall be.
func (r *record) wanted() *types.Cluster {
	if r.Target != nil {
		return r.Target
	}
	return &r.Cluster
}

// pictures are the cluster as it is and, during an update, as it shall be.
func (r *record) pictures() []*types.Cluster {
	if r.Target == nil {
		return []*types.Cluster{&r.Cluster}
	}
	return []*types.Cluster{&r.Cluster, r.Target}
}

// updateRecord is one update of a cluster.
type updateRecord struct {
	Update types.Update
	Region string
	// Cluster is the cluster's name.
	Cluster string
}

func (u *updateRecord) key() string {
	return recordKey(u.Region, u.Cluster) + "/" + aws.ToString(u.Update.Id)
}

// entryRecord is one access entry with its policies.
type entryRecord struct {
	Entry    types.AccessEntry
	Policies []associatedPolicy
	Region   string
	// ID is the last part of the entry's ARN and names its group in the cluster.
	ID string
	// Token is that of the creating request.
	Token string `json:",omitempty"`
	// Managed entries are made by the service and closed to users.
	Managed bool
}

func (e *entryRecord) key() string {
	return recordKey(e.Region, aws.ToString(e.Entry.ClusterName)) + "/" + aws.ToString(e.Entry.PrincipalArn)
}

// group is the Kubernetes group that carries the entry's access policies.
func (e *entryRecord) group() string { return "eks-access-entry:" + e.ID }

func recordKey(region, cluster string) string { return region + "/" + cluster }

func autoModeOn(c *types.Cluster) bool {
	return c.ComputeConfig != nil && aws.ToBool(c.ComputeConfig.Enabled)
}

func authenticationMode(c *types.Cluster) types.AuthenticationMode {
	if c.AccessConfig == nil {
		return types.AuthenticationModeConfigMap
	}
	return c.AccessConfig.AuthenticationMode
}
