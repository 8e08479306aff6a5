package eks

import (
	"fmt"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

func planLogging(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want := mergeLogging(c.Logging, in.Logging)
	if compact(want) == compact(c.Logging) {
		return nil, invalidParameter("No changes needed for the logging config provided")
	}
	return &change{
		kind:   types.UpdateTypeLoggingUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeClusterLogging, compact(in.Logging))},
		apply:  func(c *types.Cluster) { c.Logging = want },
	}, nil
}

// modeOrder is the one way in which authentication modes may change.
var modeOrder = []types.AuthenticationMode{
	types.AuthenticationModeConfigMap, types.AuthenticationModeApiAndConfigMap, types.AuthenticationModeApi,
}

func planAccess(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want, have := in.AccessConfig.AuthenticationMode, authenticationMode(c)
	if err := validateAuthenticationMode(want); err != nil {
		return nil, err
	}
	switch from, to := slices.Index(modeOrder, have), slices.Index(modeOrder, want); {
	case from == to:
		return nil, invalidParameter("Unsupported authentication mode update from %s to %s", have, want)
	case to != from+1:
		return nil, invalidParameter("Unsupported authentication mode update from %s to %s", have, want)
	}
	return &change{
		kind:   types.UpdateTypeAccessConfigUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeAuthenticationMode, string(want))},
		apply:  func(c *types.Cluster) { c.AccessConfig.AuthenticationMode = want },
	}, nil
}

func planUpgradePolicy(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want := upgradePolicy(in.UpgradePolicy)
	if want.SupportType == c.UpgradePolicy.SupportType {
		return nil, invalidParameter("No changes needed for the upgrade policy provided")
	}
	return &change{
		kind:   types.UpdateTypeUpgradePolicyUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeUpgradePolicy, compact(in.UpgradePolicy))},
		apply:  func(c *types.Cluster) { c.UpgradePolicy = want },
	}, nil
}

func planDeletionProtection(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want := *in.DeletionProtection
	if want == aws.ToBool(c.DeletionProtection) {
		return nil, invalidParameter("No changes needed for the deletion protection config provided")
	}
	return &change{
		kind:   types.UpdateTypeDeletionProtectionUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeDeletionProtection, fmt.Sprint(want))},
		apply:  func(c *types.Cluster) { c.DeletionProtection = aws.Bool(want) },
	}, nil
}

func planZonalShift(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want := aws.ToBool(in.ZonalShiftConfig.Enabled)
	if c.ZonalShiftConfig != nil && want == aws.ToBool(c.ZonalShiftConfig.Enabled) {
		return nil, invalidParameter("No changes needed for the zonal shift config provided")
	}
	return &change{
		kind:   types.UpdateTypeZonalShiftConfigUpdate,
		params: []types.UpdateParam{param(types.UpdateParamTypeZonalShiftConfig, fmt.Sprintf(`{"enabled":%t}`, want))},
		apply:  func(c *types.Cluster) { c.ZonalShiftConfig = &types.ZonalShiftConfigResponse{Enabled: aws.Bool(want)} },
	}, nil
}

func planScaling(c *types.Cluster, in *eks.UpdateClusterConfigInput) (*change, error) {
	want := scaling(in.ControlPlaneScalingConfig)
	if !slices.Contains(want.Tier.Values(), want.Tier) {
		return nil, invalidParameter("The control plane scaling tier %s is not valid. Valid tiers are: %v", want.Tier, want.Tier.Values())
	}
	have := scaling(c.ControlPlaneScalingConfig)
	if want.Tier == have.Tier {
		return nil, invalidParameter("No changes needed for the control plane scaling config provided")
	}
	return &change{
		kind: types.UpdateTypeControlPlaneScalingConfigUpdate,
		params: []types.UpdateParam{
			param(types.UpdateParamTypePreviousTier, string(have.Tier)), param(types.UpdateParamTypeUpdatedTier, string(want.Tier)),
		},
		apply: func(c *types.Cluster) { c.ControlPlaneScalingConfig = want },
	}, nil
}
