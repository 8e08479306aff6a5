package eks

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

const (
	maxNameLength = 100
	maxTags       = 50
)

var (
	clusterName = regexp.MustCompile(`^[0-9A-Za-z][A-Za-z0-9\-_]*$`)
	roleARN     = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:role/[\w+=,.@/-]+$`)
)

// serviceRanges are the ranges that a Service CIDR must lie in.
var serviceRanges = []netip.Prefix{
	netip.MustParsePrefix("10.0.0.0/8"),
	netip.MustParsePrefix("172.16.0.0/12"),
	netip.MustParsePrefix("192.168.0.0/16"),
}

// defaultServiceCIDR is used when a request names none.
const defaultServiceCIDR = "172.20.0.0/16"

// validateCreate checks everything about a request that needs no look at the
// rest of the cloud. minors are the offered Kubernetes versions.
func validateCreate(in *eks.CreateClusterInput, minors []string) error {
	for _, check := range []func(*eks.CreateClusterInput, []string) error{
		validateName, validateRoleSyntax, validateVersion, validateSubnetCount, validateEndpoint,
		validateAutoMode, validateAccess, validateNetwork, validateUnsupported,
	} {
		if err := check(in, minors); err != nil {
			return err
		}
	}
	return validateTags(in.Tags)
}

func validateName(in *eks.CreateClusterInput, _ []string) error {
	name := aws.ToString(in.Name)
	if len(name) > maxNameLength {
		return invalidParameter("1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must have length less than or equal to %d", name, maxNameLength)
	}
	if !clusterName.MatchString(name) {
		return invalidParameter(`1 validation error detected: Value '%s' at 'name' failed to satisfy constraint: Member must satisfy regular expression pattern: ^[0-9A-Za-z][A-Za-z0-9\-_]*`, name)
	}
	return nil
}

func validateRoleSyntax(in *eks.CreateClusterInput, _ []string) error {
	if arn := aws.ToString(in.RoleArn); !roleARN.MatchString(arn) {
		return invalidParameter("Role ARN %s is not valid. It must have the form arn:aws:iam::<account>:role/<name>", arn)
	}
	return nil
}

func validateVersion(in *eks.CreateClusterInput, minors []string) error {
	if v := aws.ToString(in.Version); v != "" && !slices.Contains(minors, v) {
		return invalidParameter("unsupported Kubernetes version %s. The available versions are: [%s]", v, strings.Join(minors, ", "))
	}
	return nil
}

func validateSubnetCount(in *eks.CreateClusterInput, _ []string) error {
	if len(in.ResourcesVpcConfig.SubnetIds) < 2 {
		return invalidParameter("Subnets specified must be in at least two different AZs")
	}
	return nil
}

func validateEndpoint(in *eks.CreateClusterInput, _ []string) error {
	return validateEndpointAccess(in.ResourcesVpcConfig.EndpointPublicAccess, in.ResourcesVpcConfig.EndpointPrivateAccess, in.ResourcesVpcConfig.PublicAccessCidrs)
}

// validateEndpointAccess checks a combination of access switches; nil means
// the default (public on, private off).
func validateEndpointAccess(public, private *bool, cidrs []string) error {
	isPublic := public == nil || *public
	if !isPublic && !aws.ToBool(private) {
		return invalidParameter("Private and public endpoint access cannot be false")
	}
	if !isPublic && len(cidrs) > 0 {
		return invalidParameter("Public access CIDRs can only be specified when public endpoint access is enabled")
	}
	for _, cidr := range cidrs {
		if _, err := netip.ParsePrefix(cidr); err != nil {
			return invalidParameter("The following CIDRs are invalid in publicAccessCidrs: [%s]", cidr)
		}
	}
	return nil
}

func validateAutoMode(in *eks.CreateClusterInput, _ []string) error {
	on, err := autoMode{in.ComputeConfig, in.StorageConfig, in.KubernetesNetworkConfig}.enabled()
	if err != nil {
		return err
	}
	if err := validatePools(in.ComputeConfig); err != nil || !on {
		return err
	}
	if aws.ToBool(in.BootstrapSelfManagedAddons) {
		return invalidParameter("For EKS Auto Mode, bootstrapSelfManagedAddons must be set to false")
	}
	if in.AccessConfig == nil || !accessEntriesOn(in.AccessConfig.AuthenticationMode) {
		return invalidParameter("For EKS Auto Mode, please ensure that authenticationMode is set to API or API_AND_CONFIG_MAP")
	}
	if in.OutpostConfig != nil {
		return invalidParameter("Auto Mode is not supported on Outposts")
	}
	return nil
}

func validateAccess(in *eks.CreateClusterInput, _ []string) error {
	if in.AccessConfig == nil || in.AccessConfig.AuthenticationMode == "" {
		return nil
	}
	return validateAuthenticationMode(in.AccessConfig.AuthenticationMode)
}

func validateAuthenticationMode(m types.AuthenticationMode) error {
	if !slices.Contains(m.Values(), m) {
		return invalidParameter("The specified authenticationMode %s is not valid. Valid values are: [API, API_AND_CONFIG_MAP, CONFIG_MAP]", m)
	}
	return nil
}

func validateNetwork(in *eks.CreateClusterInput, _ []string) error {
	n := in.KubernetesNetworkConfig
	if n == nil {
		return nil
	}
	if n.IpFamily == types.IpFamilyIpv6 {
		return invalidParameter("ipFamily ipv6 is not supported by this cloud; use ipv4")
	}
	if n.ServiceIpv4Cidr == nil {
		return nil
	}
	cidr, err := netip.ParsePrefix(*n.ServiceIpv4Cidr)
	if err != nil || cidr != cidr.Masked() {
		return invalidParameter("The specified service CIDR %s is not valid", *n.ServiceIpv4Cidr)
	}
	inRange := slices.ContainsFunc(serviceRanges, func(r netip.Prefix) bool {
		return r.Contains(cidr.Addr()) && r.Bits() <= cidr.Bits()
	})
	if !inRange || cidr.Bits() < 12 || cidr.Bits() > 24 {
		return invalidParameter("The specified service CIDR %s must be within 10.0.0.0/8, 172.16.0.0/12 or 192.168.0.0/16 and its prefix length must be between /12 and /24", cidr)
	}
	return nil
}

// validateUnsupported refuses what would otherwise be silently ignored.
func validateUnsupported(in *eks.CreateClusterInput, _ []string) error {
	switch {
	case in.OutpostConfig != nil:
		return invalidParameter("outpostConfig is not supported by this cloud")
	case in.RemoteNetworkConfig != nil:
		return invalidParameter("remoteNetworkConfig is not supported by this cloud")
	}
	return nil
}

// validateTags checks the rules that all AWS tags share.
func validateTags(tags map[string]string) error {
	if len(tags) > maxTags {
		return invalidParameter("The number of tags exceeds the limit of %d", maxTags)
	}
	for key, value := range tags {
		switch {
		case key == "" || len(key) > 128:
			return invalidParameter("Tag key %q must have between 1 and 128 characters", key)
		case len(value) > 256:
			return invalidParameter("The value of tag %q must have at most 256 characters", key)
		case strings.HasPrefix(strings.ToLower(key), "aws:"):
			return invalidParameter("Tag key %q is not valid: the prefix aws: is reserved", key)
		}
	}
	return nil
}

// validateZones checks that the subnets are of one VPC and of two zones.
func validateZones(subnets []Subnet) error {
	zones := map[string]bool{}
	for _, s := range subnets {
		if s.VPCID != subnets[0].VPCID {
			return invalidParameter("Subnets specified must belong to the same VPC")
		}
		zones[s.Zone] = true
	}
	if len(zones) < 2 {
		return invalidParameter("Subnets specified must be in at least two different AZs")
	}
	return nil
}

// accessEntriesOn says whether a cluster of this mode knows access entries.
func accessEntriesOn(m types.AuthenticationMode) bool {
	return m == types.AuthenticationModeApi || m == types.AuthenticationModeApiAndConfigMap
}
