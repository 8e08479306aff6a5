package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/wire"
)

// UpdateClusterConfig begins one change of the cluster's configuration.
func (s *Service) UpdateClusterConfig(ctx context.Context, in *eks.UpdateClusterConfigInput) (*eks.UpdateClusterConfigOutput, error) {
	r, err := s.authorized(ctx, "UpdateClusterConfig", in.Name)
	if err != nil {
		return nil, err
	}
	if err := s.checkUpdate(ctx, r, in); err != nil {
		return nil, err
	}
	u, err := s.beginUpdate(wire.CallFrom(ctx).Region, r.name(), func(c *types.Cluster) (*change, error) {
		return planUpdate(c, in)
	})
	if err != nil {
		return nil, err
	}
	return &eks.UpdateClusterConfigOutput{Update: u}, nil
}

// checkUpdate checks an update against the rest of the cloud.
func (s *Service) checkUpdate(ctx context.Context, r *record, in *eks.UpdateClusterConfigInput) error {
	if in.ComputeConfig != nil {
		if err := authorizePassRole(ctx, in.ComputeConfig.NodeRoleArn); err != nil {
			return err
		}
		if err := s.checkRoles(ctx, r.Cluster.RoleArn, in.ComputeConfig); err != nil {
			return err
		}
	}
	if v := in.ResourcesVpcConfig; v != nil {
		return s.checkVPCUpdate(ctx, r, v)
	}
	return nil
}

func (s *Service) checkVPCUpdate(ctx context.Context, r *record, v *types.VpcConfigRequest) error {
	vpc := aws.ToString(r.Cluster.ResourcesVpcConfig.VpcId)
	if err := s.checkGroups(ctx, r.Region, vpc, v.SecurityGroupIds); err != nil || len(v.SubnetIds) == 0 {
		return err
	}
	subnets, err := s.findSubnets(ctx, r.Region, v.SubnetIds)
	if err != nil {
		return err
	}
	if subnets[0].VPCID != vpc {
		return invalidParameter("Provided subnets belong to a different VPC than the cluster's: %s", vpc)
	}
	return validateZones(subnets)
}

// planUpdate decides the one change that the request asks for.
func planUpdate(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	plans := []struct {
		given bool
		plan  func(*types.Cluster, *eks.UpdateClusterConfigInput) (*change, error)
	}{
		{autoMode{in.ComputeConfig, in.StorageConfig, in.KubernetesNetworkConfig}.given(), planAutoMode},
		{in.ResourcesVpcConfig != nil, planVPC},
		{in.Logging != nil, planLogging},
		{in.AccessConfig != nil, planAccess},
		{in.UpgradePolicy != nil, planUpgradePolicy},
		{in.DeletionProtection != nil, planDeletionProtection},
		{in.ZonalShiftConfig != nil, planZonalShift},
		{in.ControlPlaneScalingConfig != nil, planScaling},
	}
	if in.RemoteNetworkConfig != nil || in.KubeApiServerConfig != nil || in.KubeControllerManagerConfig != nil || in.KubeSchedulerConfig != nil {
		return nil, invalidParameter("remoteNetworkConfig and the configuration of control plane components are not supported by this cloud")
	}
	var chosen func(*types.Cluster, *eks.UpdateClusterConfigInput) (*change, error)
	for _, p := range plans {
		if p.given && chosen != nil {
			return nil, invalidParameter("Only one type of update can be allowed.")
		}
		if p.given {
			chosen = p.plan
		}
	}
	if chosen == nil {
		return nil, invalidParameter("No updates were specified for cluster %s", aws.ToString(c.Name))
	}
	return chosen(c, in)
}

func planAutoMode(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	asked := autoMode{in.ComputeConfig, in.StorageConfig, in.KubernetesNetworkConfig}
	if n := in.KubernetesNetworkConfig; n != nil && (n.ServiceIpv4Cidr != nil || n.IpFamily != "") {
		return nil, invalidParameter("serviceIpv4Cidr and ipFamily cannot be changed after a cluster was created")
	}
	if !asked.whole() { // disabling ends every node: never by leaving something out
		return nil, invalidParameter(messageAllOrNothing)
	}
	on, err := asked.enabled()
	if err != nil {
		return nil, err
	}
	compute := keepPools(c, in.ComputeConfig)
	if err := validatePools(compute); err != nil {
		return nil, err
	}
	if on && !accessEntriesOn(authenticationMode(c)) {
		return nil, invalidParameter("For EKS Auto Mode, please ensure that authenticationMode is set to API or API_AND_CONFIG_MAP")
	}
	want := computeResponse(compute)
	have := c.ComputeConfig
	if old, new := aws.ToString(have.NodeRoleArn), aws.ToString(want.NodeRoleArn); old != "" && new != "" && old != new {
		return nil, invalidParameter("The nodeRoleArn of the compute config cannot be modified. It is: %s", old)
	}
	if compact(have) == compact(want) {
		return nil, invalidRequest("No changes needed for the EKS Auto Mode config provided")
	}
	return &change{
		kind: types.UpdateTypeAutoModeUpdate,
		params: []types.UpdateParam{
			param(types.UpdateParamTypeComputeConfig, describeCompute(want)),
			param(types.UpdateParamTypeStorageConfig, fmt.Sprintf(`{"blockStorage":{"enabled":%t}}`, on)),
			param(types.UpdateParamTypeKubernetesNetworkConfig, fmt.Sprintf(`{"elasticLoadBalancing":{"enabled":%t}}`, on)),
		},
		apply: func(c *types.Cluster) {
			c.ComputeConfig = want
			c.StorageConfig = &types.StorageConfigResponse{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(on)}}
			c.KubernetesNetworkConfig.ElasticLoadBalancing = &types.ElasticLoadBalancing{Enabled: aws.Bool(on)}
		},
	}, nil
}

// keepPools fills in what an update that only repeats "enabled" leaves out.
func keepPools(c *types.Cluster, in *types.ComputeConfigRequest) *types.ComputeConfigRequest {
	if in == nil || !aws.ToBool(in.Enabled) || !autoModeOn(c) {
		return in
	}
	out := *in
	if out.NodePools == nil {
		out.NodePools = c.ComputeConfig.NodePools
	}
	if out.NodeRoleArn == nil && len(out.NodePools) > 0 {
		out.NodeRoleArn = c.ComputeConfig.NodeRoleArn
	}
	return &out
}

// describeCompute is a compute configuration as an update's parameter.
func describeCompute(c *types.ComputeConfigResponse) string {
	return compact(struct {
		Enabled     bool     `json:"enabled"`
		NodePools   []string `json:"nodePools"`
		NodeRoleArn *string  `json:"nodeRoleArn,omitempty"`
	}{aws.ToBool(c.Enabled), c.NodePools, c.NodeRoleArn})
}

func planVPC(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	v := in.ResourcesVpcConfig
	access := v.EndpointPublicAccess != nil || v.EndpointPrivateAccess != nil || v.PublicAccessCidrs != nil
	members := v.SubnetIds != nil || v.SecurityGroupIds != nil
	switch {
	case access && members:
		return nil, invalidParameter("Only one type of update can be allowed.")
	case members:
		return planVPCMembers(c, v)
	}
	want := *c.ResourcesVpcConfig
	applyEndpointAccess(&want, v)
	if err := validateEndpointAccess(&want.EndpointPublicAccess, &want.EndpointPrivateAccess, v.PublicAccessCidrs); err != nil {
		return nil, err
	}
	if compact(want) == compact(c.ResourcesVpcConfig) {
		return nil, invalidParameter("Cluster is already at the desired configuration with endpointPrivateAccess: %t , endpointPublicAccess: %t, and Public Endpoint Restrictions: %v",
			want.EndpointPrivateAccess, want.EndpointPublicAccess, want.PublicAccessCidrs)
	}
	return &change{
		kind: types.UpdateTypeEndpointAccessUpdate,
		params: []types.UpdateParam{
			param(types.UpdateParamTypeEndpointPublicAccess, fmt.Sprint(want.EndpointPublicAccess)),
			param(types.UpdateParamTypeEndpointPrivateAccess, fmt.Sprint(want.EndpointPrivateAccess)),
			param(types.UpdateParamTypePublicAccessCidrs, compact(want.PublicAccessCidrs)),
		},
		apply: func(c *types.Cluster) { applyEndpointAccess(c.ResourcesVpcConfig, v) },
	}, nil
}

func planVPCMembers(c *types.Cluster, v *types.VpcConfigRequest) (*change, error) {
	have := c.ResourcesVpcConfig
	subnets, groups := have.SubnetIds, have.SecurityGroupIds
	if v.SubnetIds != nil {
		subnets = v.SubnetIds
	}
	if v.SecurityGroupIds != nil {
		groups = v.SecurityGroupIds
	}
	if slices.Equal(subnets, have.SubnetIds) && slices.Equal(groups, have.SecurityGroupIds) {
		return nil, invalidParameter("No changes needed for the VPC config provided")
	}
	return &change{
		kind:   types.UpdateTypeVpcConfigUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeSubnets, compact(subnets)), param(types.UpdateParamTypeSecurityGroups, compact(groups))},
		apply: func(c *types.Cluster) {
			c.ResourcesVpcConfig.SubnetIds, c.ResourcesVpcConfig.SecurityGroupIds = subnets, groups
		},
	}, nil
}

// clone is a deep copy, by way of the form in which records are stored.
func clone(c *types.Cluster) (*types.Cluster, error) {
	data, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("copying cluster: %w", err)
	}
	out := &types.Cluster{}
	return out, json.Unmarshal(data, out)
}
