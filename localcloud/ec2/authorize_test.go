package ec2_test

import (
	"strings"
	"testing"

	sdk "github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/ec2"
	"github.com/automode-dev/automode/localcloud/iam"
	"github.com/automode-dev/automode/localcloud/store"
)

// managedPolicies returns AWS managed policies by name.
func managedPolicies(t testing.TB, names ...string) (list []*access.Policy) {
	t.Helper()
	db, err := store.Open(t.TempDir() + "/iam.db")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	service := iam.New(db, account, clock.RealClock{})
	for _, name := range names {
		list = append(list, must[*access.Policy](t)(service.ManagedPolicy("arn:aws:iam::aws:policy/"+name)))
	}
	return list
}

// clusterRole is the session that EKS gives the controllers of a cluster.
func clusterRole(t testing.TB, cluster string) *access.Caller {
	return &access.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/cluster/eks", PrincipalARN: "arn:aws:iam::111122223333:role/cluster",
		Account: account, UserID: "AROA:eks", Type: access.TypeAssumedRole, PrincipalTags: map[string]string{"eks:eks-cluster-name": cluster},
		Identity: managedPolicies(t, "AmazonEKSComputePolicy", "AmazonEKSNetworkingPolicy")}
}

func serviceRole(t testing.TB) *access.Caller {
	return &access.Caller{ARN: "arn:aws:sts::111122223333:assumed-role/AWSServiceRoleForAmazonEKS/eks", Account: account, UserID: "AROA:eks",
		PrincipalARN: "arn:aws:iam::111122223333:role/aws-service-role/eks.amazonaws.com/AWSServiceRoleForAmazonEKS", Type: access.TypeAssumedRole,
		Identity: managedPolicies(t, "aws-service-role/AmazonEKSServiceRolePolicy")}
}

func user(name string, policies ...*access.Policy) *access.Caller {
	arn := "arn:aws:iam::111122223333:user/" + name
	return &access.Caller{ARN: arn, PrincipalARN: arn, Account: account, UserID: "AIDA" + name, Type: access.TypeUser, Identity: policies}
}

// autoModeTags are the tags that Auto Mode puts on what it makes, and more.
func autoModeTags(cluster string, more ...string) []types.Tag {
	tags := []types.Tag{{Key: new("eks:eks-cluster-name"), Value: new(cluster)}, {Key: new("eks:kubernetes-node-class-name"), Value: new("default")},
		{Key: new("eks:kubernetes-node-pool-name"), Value: new("general-purpose")}, {Key: new("kubernetes.io/cluster/" + cluster), Value: new("owned")}}
	for _, key := range more {
		tags = append(tags, types.Tag{Key: new(key), Value: new("x")})
	}
	return tags
}

func specs(tags []types.Tag, resources ...types.ResourceType) (list []types.TagSpecification) {
	for _, r := range resources {
		list = append(list, types.TagSpecification{ResourceType: r, Tags: tags})
	}
	return list
}

// managedTemplate is the launch template that Auto Mode's controllers make.
func managedTemplate(t testing.TB, name string, tags []types.Tag) *sdk.CreateLaunchTemplateInput {
	return &sdk.CreateLaunchTemplateInput{LaunchTemplateName: &name, Operator: &types.OperatorRequest{Principal: new("eks.amazonaws.com")},
		TagSpecifications:  specs(tags, types.ResourceTypeLaunchTemplate),
		LaunchTemplateData: &types.RequestLaunchTemplateData{ImageId: new(image(t, "x86_64"))}}
}

// TestComputePolicyDecides is the case of the seeds: the cluster role's policy allows Auto Mode's own tags and no others.
func TestComputePolicyDecides(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	controllers := c.as(clusterRole(t, "automode"))

	_, err := controllers.CreateLaunchTemplate(ctx, managedTemplate(t, "tagged", autoModeTags("automode", "env")))
	wantCode(t, err, "UnauthorizedOperation")
	if !strings.Contains(err.Error(), "because no identity-based policy allows the ec2:CreateLaunchTemplate action") {
		t.Errorf("got %v", err)
	}
	_, err = controllers.CreateLaunchTemplate(ctx, managedTemplate(t, "foreign", autoModeTags("other")))
	wantCode(t, err, "UnauthorizedOperation")

	lt := must[*sdk.CreateLaunchTemplateOutput](t)(controllers.CreateLaunchTemplate(ctx, managedTemplate(t, "nodes", autoModeTags("automode"))))
	in := c.fleet(*lt.LaunchTemplate.LaunchTemplateId, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")
	launched := []types.ResourceType{types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface, types.ResourceTypeFleet}
	in.TagSpecifications = specs(autoModeTags("automode", "env"), launched...)
	_, err = controllers.CreateFleet(ctx, in)
	wantCode(t, err, "UnauthorizedOperation")

	in.ClientToken, in.TagSpecifications = nil, specs(autoModeTags("automode"), launched...)
	fleet := must[*sdk.CreateFleetOutput](t)(controllers.CreateFleet(ctx, in))
	if len(fleet.Instances) != 1 {
		t.Fatalf("got errors %+v", fleet.Errors)
	}
	i := c.instance(fleet.Instances[0].InstanceIds[0])
	if i.Operator == nil || !*i.Operator.Managed || *i.Operator.Principal != "eks.amazonaws.com" {
		t.Errorf("got operator %+v", i.Operator)
	}
	_, err = c.as(clusterRole(t, "other")).CreateFleet(ctx, c.fleet(*lt.LaunchTemplate.LaunchTemplateId, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large"))
	wantCode(t, err, "UnauthorizedOperation")
}

// managedInstance launches one instance as the controllers of the cluster do.
func (c *cloud) managedInstance(cluster, subnetID string) (id string) {
	c.t.Helper()
	controllers, ctx := c.as(clusterRole(c.t, cluster)), c.t.Context()
	lt := must[*sdk.CreateLaunchTemplateOutput](c.t)(controllers.CreateLaunchTemplate(ctx, managedTemplate(c.t, "nodes-"+cluster, autoModeTags(cluster))))
	in := c.fleet(*lt.LaunchTemplate.LaunchTemplateId, subnetID, 1, types.DefaultTargetCapacityTypeOnDemand, "c6a.large")
	in.TagSpecifications = specs(autoModeTags(cluster), types.ResourceTypeInstance, types.ResourceTypeVolume, types.ResourceTypeNetworkInterface, types.ResourceTypeFleet)
	out := must[*sdk.CreateFleetOutput](c.t)(controllers.CreateFleet(ctx, in))
	return out.Instances[0].InstanceIds[0]
}

func TestManagedInstancesAreProtected(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.managedInstance("automode", subnetID)
	c.waitState(id, types.InstanceStateNameRunning)
	admin := c.as(user("admin", access.MustParse(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}`)))

	_, err := admin.TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: []string{id}})
	wantCode(t, err, "UnauthorizedOperation")
	want := "You are not authorized to perform this operation. User: arn:aws:iam::111122223333:user/admin is not authorized to perform: ec2:TerminateInstances on resource: arn:aws:ec2:us-east-1:111122223333:instance/" +
		id + " with an explicit deny in a resource-based policy. Encoded authorization failure message: "
	if !strings.Contains(err.Error(), want) {
		t.Errorf("got  %v\nwant %s", err, want)
	}
	for name, call := range map[string]func(*sdk.Client) error{
		"root terminate": func(*sdk.Client) error {
			_, err := c.TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: []string{id}})
			return err
		},
		"stop": func(u *sdk.Client) error {
			_, err := u.StopInstances(ctx, &sdk.StopInstancesInput{InstanceIds: []string{id}})
			return err
		},
		"reboot": func(u *sdk.Client) error {
			_, err := u.RebootInstances(ctx, &sdk.RebootInstancesInput{InstanceIds: []string{id}})
			return err
		},
		"delete the template": func(u *sdk.Client) error {
			_, err := u.DeleteLaunchTemplate(ctx, &sdk.DeleteLaunchTemplateInput{LaunchTemplateName: new("nodes-automode")})
			return err
		},
		"modify the interface": func(u *sdk.Client) error {
			_, err := u.ModifyNetworkInterfaceAttribute(ctx, &sdk.ModifyNetworkInterfaceAttributeInput{
				NetworkInterfaceId: c.instance(id).NetworkInterfaces[0].NetworkInterfaceId, SourceDestCheck: &types.AttributeBooleanValue{Value: new(false)}})
			return err
		},
		"detach the volume": func(u *sdk.Client) error {
			_, err := u.DetachVolume(ctx, &sdk.DetachVolumeInput{VolumeId: c.instance(id).BlockDeviceMappings[0].Ebs.VolumeId})
			return err
		},
		"another cluster": func(*sdk.Client) error {
			_, err := c.as(clusterRole(t, "other")).AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{
				NetworkInterfaceId: c.instance(id).NetworkInterfaces[0].NetworkInterfaceId, Ipv4PrefixCount: new(int32(1))})
			return err
		},
	} {
		t.Run(name, func(t *testing.T) { wantCode(t, call(admin), "UnauthorizedOperation") })
	}
	must[*sdk.AssignPrivateIpAddressesOutput](t)(c.as(clusterRole(t, "automode")).AssignPrivateIpAddresses(ctx, &sdk.AssignPrivateIpAddressesInput{
		NetworkInterfaceId: c.instance(id).NetworkInterfaces[0].NetworkInterfaceId, Ipv4PrefixCount: new(int32(1))}))
	_, err = c.as(clusterRole(t, "automode")).TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: []string{id}})
	wantCode(t, err, "UnauthorizedOperation") // its policy does not allow it: deletions are the service-linked role's
	must[*sdk.TerminateInstancesOutput](t)(c.as(serviceRole(t)).TerminateInstances(ctx, &sdk.TerminateInstancesInput{InstanceIds: []string{id}}))
	c.waitState(id, types.InstanceStateNameTerminated)
}

func TestVisibilityOfManagedResources(t *testing.T) {
	c, ctx := start(t), t.Context()
	_, subnetID := c.network("10.0.0.0/16", "10.0.0.0/24")
	id := c.managedInstance("automode", subnetID)
	count := func(in *sdk.DescribeInstancesInput) int {
		return len(must[*sdk.DescribeInstancesOutput](t)(c.DescribeInstances(ctx, in)).Reservations)
	}
	if n := count(&sdk.DescribeInstancesInput{}); n != 1 {
		t.Errorf("%d shown by default, want 1", n)
	}
	must[*sdk.ModifyManagedResourceVisibilityOutput](t)(c.ModifyManagedResourceVisibility(ctx, &sdk.ModifyManagedResourceVisibilityInput{
		DefaultVisibility: types.ManagedResourceDefaultVisibilityHidden}))
	if n := count(&sdk.DescribeInstancesInput{}); n != 0 {
		t.Errorf("%d shown though hidden", n)
	}
	if n := count(&sdk.DescribeInstancesInput{IncludeManagedResources: new(true)}); n != 1 {
		t.Errorf("%d shown when asked for", n)
	}
	if n := count(&sdk.DescribeInstancesInput{InstanceIds: []string{id}}); n != 1 {
		t.Errorf("%d shown by id", n)
	}
}

func TestDryRunOrder(t *testing.T) {
	c, ctx := start(t), t.Context()
	nobody := c.as(user("nobody"))
	in := &sdk.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), DryRun: new(true), InstanceType: "c6a.large", ImageId: new("ami-nonsense")}
	_, err := nobody.RunInstances(ctx, in)
	wantCode(t, err, "InvalidAMIID.Malformed") // parameters come before permissions
	in.ImageId, in.ClientToken = new(image(t, "x86_64")), nil
	_, err = nobody.RunInstances(ctx, in)
	wantCode(t, err, "UnauthorizedOperation")
	_, err = c.RunInstances(ctx, in)
	wantCode(t, err, "DryRunOperation")
}

func TestPassRole(t *testing.T) {
	c, ctx := start(t, func(o *ec2.Options) { o.Profiles = oneProfile{} }), t.Context()
	run := access.MustParse(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "ec2:*", "Resource": "*"}]}`)
	pass := access.MustParse(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*",
		"Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}}]}`)
	in := func() *sdk.RunInstancesInput {
		return &sdk.RunInstancesInput{MinCount: new(int32(1)), MaxCount: new(int32(1)), InstanceType: "c6a.large", ImageId: new(image(t, "x86_64")),
			IamInstanceProfile: &types.IamInstanceProfileSpecification{Name: new("node")}}
	}
	_, err := c.as(user("runner", run)).RunInstances(ctx, in())
	wantCode(t, err, "UnauthorizedOperation")
	out := must[*sdk.RunInstancesOutput](t)(c.as(user("passer", run, pass)).RunInstances(ctx, in()))
	if got := *out.Instances[0].IamInstanceProfile.Arn; got != "arn:aws:iam::111122223333:instance-profile/node" {
		t.Errorf("got profile %s", got)
	}
	missing := in()
	missing.IamInstanceProfile.Name = new("absent")
	_, err = c.RunInstances(ctx, missing)
	wantCode(t, err, "InvalidParameterValue")
	if !strings.Contains(err.Error(), "Invalid IAM Instance Profile name") {
		t.Errorf("got %v", err)
	}
}
