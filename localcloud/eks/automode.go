package eks

import (
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// messageAllOrNothing is AWS's text for a half-enabled Auto Mode.
const messageAllOrNothing = "For EKS Auto Mode, please ensure that all required configs, including computeConfig, " +
	"kubernetesNetworkConfig, and blockStorage are all either fully enabled or fully disabled."

// The built-in pools; there are no others.
var builtInPools = []string{"general-purpose", "system"}

// autoMode is the part of a request that concerns Auto Mode.
type autoMode struct {
	compute *types.ComputeConfigRequest
	storage *types.StorageConfigRequest
	network *types.KubernetesNetworkConfigRequest
}

// given says whether the request speaks of Auto Mode at all.
func (a autoMode) given() bool {
	return a.compute != nil || a.storage != nil || a.network != nil && a.network.ElasticLoadBalancing != nil
}

// whole says whether the request speaks of all three switches.
func (a autoMode) whole() bool {
	return a.compute != nil && a.compute.Enabled != nil &&
		a.storage != nil && a.storage.BlockStorage != nil && a.network != nil && a.network.ElasticLoadBalancing != nil
}

// enabled returns what the three switches agree on, or the error of the
// all-or-nothing rule. A switch that is not given counts as off.
func (a autoMode) enabled() (bool, error) {
	compute := a.compute != nil && aws.ToBool(a.compute.Enabled)
	storage := a.storage != nil && a.storage.BlockStorage != nil && aws.ToBool(a.storage.BlockStorage.Enabled)
	balancing := a.network != nil && a.network.ElasticLoadBalancing != nil && aws.ToBool(a.network.ElasticLoadBalancing.Enabled)
	if compute != storage || compute != balancing {
		return false, invalidParameter(messageAllOrNothing)
	}
	return compute, nil
}

// validatePools checks the pools and their role against each other.
func validatePools(c *types.ComputeConfigRequest) error {
	if c == nil {
		return nil
	}
	for i, pool := range c.NodePools {
		if !slices.Contains(builtInPools, pool) {
			return invalidParameter("The specified node pool %q is not valid. Valid node pools are: [%s, %s].", pool, builtInPools[0], builtInPools[1])
		}
		if slices.Contains(c.NodePools[:i], pool) {
			return invalidParameter("The node pool %q is specified more than once.", pool)
		}
	}
	role := aws.ToString(c.NodeRoleArn)
	enabled := aws.ToBool(c.Enabled)
	switch {
	case !enabled && (len(c.NodePools) > 0 || role != ""):
		return invalidParameter("nodePools and nodeRoleArn can only be specified when compute is enabled in computeConfig.")
	case len(c.NodePools) > 0 && role == "":
		return invalidParameter("When Compute Config nodePools are specified, nodeRoleArn must also be specified.")
	case len(c.NodePools) == 0 && role != "":
		return invalidParameter("When Compute Config nodeRoleArn is specified, nodePools must also be specified.")
	}
	if role != "" && !roleARN.MatchString(role) {
		return invalidParameter("The specified nodeRoleArn %s is not a valid IAM role ARN.", role)
	}
	return nil
}

// computeResponse is a request as DescribeCluster shows it once it holds.
func computeResponse(c *types.ComputeConfigRequest) *types.ComputeConfigResponse {
	if c == nil {
		return &types.ComputeConfigResponse{Enabled: aws.Bool(false), NodePools: []string{}}
	}
	pools := slices.Clone(c.NodePools)
	slices.Sort(pools)
	if pools == nil {
		pools = []string{}
	}
	return &types.ComputeConfigResponse{Enabled: aws.Bool(aws.ToBool(c.Enabled)), NodePools: pools, NodeRoleArn: c.NodeRoleArn}
}
