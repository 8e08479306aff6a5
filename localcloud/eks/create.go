package eks

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// CreateCluster records the cluster as CREATING and lets its loop build it.
func (s *Service) CreateCluster(ctx context.Context, in *eks.CreateClusterInput) (*eks.CreateClusterOutput, error) {
	call := wire.CallFrom(ctx)
	if err := validateCreate(in, s.minors()); err != nil {
		return nil, err
	}
	if err := s.authorizeCreate(ctx, in); err != nil {
		return nil, err
	}
	if again, err := s.sameRequest(call.Region, in); again != nil || err != nil {
		return output(again), err
	}
	vpc, err := s.checkCloud(ctx, call.Region, in)
	if err != nil {
		return nil, err
	}
	r, err := s.newRecord(call, in, vpc)
	if err != nil {
		return nil, err
	}
	defer s.releasePort(r.HostPort)
	if err := s.insert(r, in); err != nil {
		return nil, err
	}
	s.wake(r.Region, r.name())
	return output(r), nil
}

func output(r *record) *eks.CreateClusterOutput {
	if r == nil {
		return nil
	}
	return &eks.CreateClusterOutput{Cluster: &r.Cluster}
}

func (s *Service) authorizeCreate(ctx context.Context, in *eks.CreateClusterInput) error {
	if err := authorizeCluster(ctx, "CreateCluster", *in.Name, nil, requestTags(in.Tags), createKeys(in)); err != nil {
		return err
	}
	if len(in.Tags) > 0 {
		if err := authorizeCluster(ctx, "TagResource", *in.Name, nil, requestTags(in.Tags)); err != nil {
			return err
		}
	}
	if err := authorizePassRole(ctx, in.RoleArn); err != nil {
		return err
	}
	if in.ComputeConfig == nil {
		return nil
	}
	return authorizePassRole(ctx, in.ComputeConfig.NodeRoleArn)
}

// createKeys are the service's own condition keys of a creation.
func createKeys(in *eks.CreateClusterInput) map[string][]string {
	keys := map[string][]string{}
	if in.AccessConfig != nil {
		keys["eks:authenticationMode"] = []string{string(in.AccessConfig.AuthenticationMode)}
		if b := in.AccessConfig.BootstrapClusterCreatorAdminPermissions; b != nil {
			keys["eks:bootstrapClusterCreatorAdminPermissions"] = []string{fmt.Sprint(*b)}
		}
	}
	return keys
}

// sameRequest returns the cluster when this very request made it before.
func (s *Service) sameRequest(region string, in *eks.CreateClusterInput) (*record, error) {
	r, err := s.load(region, *in.Name)
	if err != nil {
		var w *wire.Error
		if errors.As(err, &w) {
			return nil, nil // not there: the usual case
		}
		return nil, err
	}
	token := aws.ToString(in.ClientRequestToken)
	if token != "" && token == aws.ToString(r.Cluster.ClientRequestToken) && digest(in) == r.Request {
		return r, nil
	}
	return nil, inUse("Cluster already exists with name: %s", *in.Name)
}

// checkCloud checks the request against the rest of the cloud and returns the
// VPC of its subnets.
func (s *Service) checkCloud(ctx context.Context, region string, in *eks.CreateClusterInput) (vpc string, err error) {
	if err := s.checkRoles(ctx, in.RoleArn, in.ComputeConfig); err != nil {
		return "", err
	}
	subnets, err := s.findSubnets(ctx, region, in.ResourcesVpcConfig.SubnetIds)
	if err != nil {
		return "", err
	}
	if err := validateZones(subnets); err != nil {
		return "", err
	}
	vpc = subnets[0].VPCID
	return vpc, s.checkGroups(ctx, region, vpc, in.ResourcesVpcConfig.SecurityGroupIds)
}

// findSubnets looks the subnets up one by one, to name the one that is missing.
func (s *Service) findSubnets(ctx context.Context, region string, ids []string) ([]Subnet, error) {
	var all []Subnet
	for _, id := range ids {
		one, err := s.o.Network.Subnets(ctx, region, []string{id})
		if errors.Is(err, ErrNotFound) {
			return nil, invalidParameter("The subnet ID '%s' does not exist", id)
		}
		if err != nil {
			return nil, fmt.Errorf("looking up subnet %s: %w", id, err)
		}
		all = append(all, one...)
	}
	return all, nil
}

// checkGroups checks the security groups one by one, to name the one that is
// missing.
func (s *Service) checkGroups(ctx context.Context, region, vpc string, ids []string) error {
	for _, id := range ids {
		err := s.o.Network.CheckSecurityGroups(ctx, region, vpc, []string{id})
		if errors.Is(err, ErrNotFound) {
			return invalidParameter("The security group '%s' does not exist in VPC %s", id, vpc)
		}
		if err != nil {
			return fmt.Errorf("looking up security group %s: %w", id, err)
		}
	}
	return nil
}

// checkRoles checks the trust policy of the cluster role and that the node
// role exists.
func (s *Service) checkRoles(ctx context.Context, role *string, compute *types.ComputeConfigRequest) error {
	arn := aws.ToString(role)
	ok, err := s.o.Roles.Trusts(ctx, arn, servicePrincipal, "sts:AssumeRole")
	if err != nil {
		return fmt.Errorf("checking role %s: %w", arn, err)
	}
	if !ok {
		return invalidParameter("Role with arn: %s, could not be assumed because it does not exist or the trusted entity is not correct", arn)
	}
	if compute == nil || !aws.ToBool(compute.Enabled) {
		return nil
	}
	if ok, err = s.o.Roles.Trusts(ctx, arn, servicePrincipal, "sts:AssumeRole", "sts:TagSession"); err != nil {
		return fmt.Errorf("checking role %s: %w", arn, err)
	}
	if !ok {
		return invalidParameter("Role with arn: %s, could not be assumed with session tags. For EKS Auto Mode, its trust policy must allow %s both sts:AssumeRole and sts:TagSession", arn, servicePrincipal)
	}
	return s.checkNodeRole(ctx, compute.NodeRoleArn)
}

func (s *Service) checkNodeRole(ctx context.Context, role *string) error {
	arn := aws.ToString(role)
	if arn == "" {
		return nil
	}
	ok, err := s.o.Roles.Trusts(ctx, arn, "ec2.amazonaws.com", "sts:AssumeRole")
	if err != nil {
		return fmt.Errorf("checking node role %s: %w", arn, err)
	}
	if !ok {
		return invalidParameter("The node role with arn: %s, could not be found or does not trust ec2.amazonaws.com", arn)
	}
	return nil
}

// newRecord is the cluster as it begins.
func (s *Service) newRecord(call *wire.Call, in *eks.CreateClusterInput, vpc string) (*record, error) {
	port, err := s.reservePort()
	if err != nil {
		return nil, err
	}
	now := s.o.Clock.Now().UTC().Truncate(time.Millisecond)
	c := types.Cluster{
		Name: in.Name, Arn: aws.String(clusterARN(call, *in.Name)), RoleArn: in.RoleArn, Tags: in.Tags,
		CreatedAt: &now, Status: types.ClusterStatusCreating, ClientRequestToken: in.ClientRequestToken,
		Version: aws.String(orDefault(in.Version, s.o.Versions[0].Minor)), PlatformVersion: aws.String(platformVersion),
		CertificateAuthority: &types.Certificate{}, Health: &types.ClusterHealth{Issues: []types.ClusterIssue{}},
		ResourcesVpcConfig:        vpcConfig(in.ResourcesVpcConfig, vpc),
		KubernetesNetworkConfig:   networkConfig(in.KubernetesNetworkConfig),
		Logging:                   mergeLogging(nil, in.Logging),
		Identity:                  &types.Identity{Oidc: &types.OIDC{Issuer: aws.String(issuer(call.Region))}},
		AccessConfig:              accessConfig(in.AccessConfig),
		UpgradePolicy:             upgradePolicy(in.UpgradePolicy),
		ComputeConfig:             computeResponse(in.ComputeConfig),
		StorageConfig:             storageConfig(in.StorageConfig),
		EncryptionConfig:          in.EncryptionConfig,
		DeletionProtection:        aws.Bool(aws.ToBool(in.DeletionProtection)),
		ControlPlaneScalingConfig: scaling(in.ControlPlaneScalingConfig),
	}
	if in.ZonalShiftConfig != nil {
		c.ZonalShiftConfig = &types.ZonalShiftConfigResponse{Enabled: in.ZonalShiftConfig.Enabled}
	}
	return &record{
		Cluster: c, Region: call.Region, Account: call.Account, HostPort: port,
		Creator: principal(call.Caller), Request: digest(in), Deadline: now.Add(s.o.Timeout),
	}, nil
}

// insert writes the record and its automatic access entries, unless another
// request took the name meanwhile.
func (s *Service) insert(r *record, in *eks.CreateClusterInput) error {
	return s.db.Update(func(tx *store.Tx) error {
		_, taken, err := store.Get[record](tx, bucketClusters, r.key())
		if err != nil {
			return err
		}
		if taken {
			return inUse("Cluster already exists with name: %s", *in.Name)
		}
		if err := s.putAutomaticEntries(tx, r, &r.Cluster); err != nil {
			return err
		}
		return putCluster(tx, r)
	})
}

// digest names a request apart from its token.
func digest(in *eks.CreateClusterInput) string {
	bare := *in
	bare.ClientRequestToken = nil
	data, err := json.Marshal(bare)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(data)
	return hex.EncodeToString(sum[:])
}

// issuer is a new service account issuer in AWS's form.
func issuer(region string) string {
	var id [16]byte
	rand.Read(id[:])
	return fmt.Sprintf("https://oidc.eks.%s.amazonaws.com/id/%s", region, strings.ToUpper(hex.EncodeToString(id[:])))
}
