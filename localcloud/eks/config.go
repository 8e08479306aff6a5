package eks

import (
	"cmp"
	"encoding/json"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/access"
)

// platformVersion is that of every cluster: this cloud changes with its binary.
const platformVersion = "eks.1"

// vpcConfig is a request as DescribeCluster shows it, defaults filled in.
func vpcConfig(in *types.VpcConfigRequest, vpc string) *types.VpcConfigResponse {
	out := &types.VpcConfigResponse{
		VpcId: aws.String(vpc), SubnetIds: in.SubnetIds, SecurityGroupIds: notNil(in.SecurityGroupIds),
		EndpointPublicAccess: true, PublicAccessCidrs: notNil(in.PublicAccessCidrs),
		ControlPlaneEgressMode: cmp.Or(in.ControlPlaneEgressMode, types.ControlPlaneEgressModeTypeAwsManaged),
	}
	applyEndpointAccess(out, in)
	return out
}

// applyEndpointAccess overlays the access switches that the request gives.
func applyEndpointAccess(out *types.VpcConfigResponse, in *types.VpcConfigRequest) {
	if in.EndpointPublicAccess != nil {
		out.EndpointPublicAccess = *in.EndpointPublicAccess
	}
	if in.EndpointPrivateAccess != nil {
		out.EndpointPrivateAccess = *in.EndpointPrivateAccess
	}
	if in.PublicAccessCidrs != nil {
		out.PublicAccessCidrs = in.PublicAccessCidrs
	}
	switch {
	case !out.EndpointPublicAccess:
		out.PublicAccessCidrs = []string{}
	case len(out.PublicAccessCidrs) == 0:
		out.PublicAccessCidrs = []string{"0.0.0.0/0"}
	}
}

func networkConfig(in *types.KubernetesNetworkConfigRequest) *types.KubernetesNetworkConfigResponse {
	out := &types.KubernetesNetworkConfigResponse{
		IpFamily: types.IpFamilyIpv4, ServiceIpv4Cidr: aws.String(defaultServiceCIDR),
		ElasticLoadBalancing: &types.ElasticLoadBalancing{Enabled: aws.Bool(false)},
	}
	if in == nil {
		return out
	}
	if in.ServiceIpv4Cidr != nil {
		out.ServiceIpv4Cidr = in.ServiceIpv4Cidr
	}
	if in.ElasticLoadBalancing != nil {
		out.ElasticLoadBalancing.Enabled = aws.Bool(aws.ToBool(in.ElasticLoadBalancing.Enabled))
	}
	return out
}

func storageConfig(in *types.StorageConfigRequest) *types.StorageConfigResponse {
	on := in != nil && in.BlockStorage != nil && aws.ToBool(in.BlockStorage.Enabled)
	return &types.StorageConfigResponse{BlockStorage: &types.BlockStorage{Enabled: aws.Bool(on)}}
}

func accessConfig(in *types.CreateAccessConfigRequest) *types.AccessConfigResponse {
	out := &types.AccessConfigResponse{
		AuthenticationMode:                      types.AuthenticationModeConfigMap,
		BootstrapClusterCreatorAdminPermissions: aws.Bool(true),
	}
	if in == nil {
		return out
	}
	out.AuthenticationMode = cmp.Or(in.AuthenticationMode, out.AuthenticationMode)
	if in.BootstrapClusterCreatorAdminPermissions != nil {
		out.BootstrapClusterCreatorAdminPermissions = in.BootstrapClusterCreatorAdminPermissions
	}
	return out
}

func upgradePolicy(in *types.UpgradePolicyRequest) *types.UpgradePolicyResponse {
	if in == nil {
		return &types.UpgradePolicyResponse{SupportType: types.SupportTypeExtended}
	}
	return &types.UpgradePolicyResponse{SupportType: cmp.Or(in.SupportType, types.SupportTypeExtended)}
}

func scaling(in *types.ControlPlaneScalingConfig) *types.ControlPlaneScalingConfig {
	if in == nil || in.Tier == "" {
		return &types.ControlPlaneScalingConfig{Tier: types.ProvisionedControlPlaneTierStandard}
	}
	return in
}

// logTypes are all control plane logs, in the order DescribeCluster shows.
var logTypes = []types.LogType{
	types.LogTypeApi, types.LogTypeAudit, types.LogTypeAuthenticator, types.LogTypeControllerManager, types.LogTypeScheduler,
}

// mergeLogging overlays the log types that the request switches, and shows
// them as AWS does: one set-up of the enabled ones, one of the others.
func mergeLogging(old, in *types.Logging) *types.Logging {
	on := map[types.LogType]bool{}
	for _, l := range []*types.Logging{old, in} {
		if l == nil {
			continue
		}
		for _, setup := range l.ClusterLogging {
			for _, t := range setup.Types {
				if setup.Enabled != nil {
					on[t] = *setup.Enabled
				}
			}
		}
	}
	out := &types.Logging{}
	for _, enabled := range []bool{true, false} {
		setup := types.LogSetup{Enabled: aws.Bool(enabled)}
		for _, t := range logTypes {
			if on[t] == enabled {
				setup.Types = append(setup.Types, t)
			}
		}
		if len(setup.Types) > 0 {
			out.ClusterLogging = append(out.ClusterLogging, setup)
		}
	}
	return out
}

// principal is the ARN under which access entries know a caller: the role of
// a session, else the caller itself.
func principal(c *access.Caller) string {
	return cmp.Or(c.PrincipalARN, c.ARN)
}

func (s *Service) minors() []string {
	out := make([]string, len(s.o.Versions))
	for i, v := range s.o.Versions {
		out[i] = v.Minor
	}
	return out
}

func notNil(list []string) []string {
	if list == nil {
		return []string{}
	}
	return slices.Clone(list)
}

// compact is v as one line of JSON, for the parameters of updates.
func compact(v any) string {
	data, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	return string(data)
}

// orDefault is the string pointed to, or the fallback for nil and "".
func orDefault(p *string, fallback string) string { return cmp.Or(aws.ToString(p), fallback) }
