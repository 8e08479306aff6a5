package iam

import (
	"encoding/json"
	"testing"

	"github.com/automode-dev/automode/localcloud/access"
)

func TestManagedPoliciesParse(t *testing.T) {
	ids := map[string]string{}
	for arn, p := range awsPolicies() {
		if _, err := access.Parse(p.document()); err != nil {
			t.Errorf("%s: %v", arn, err)
		}
		if !json.Valid([]byte(p.document())) || p.Path == "" || p.version(p.Default) == nil {
			t.Errorf("%s is incomplete: %+v", arn, p)
		}
		if other := ids[p.ID]; other != "" {
			t.Errorf("%s and %s have the same id", arn, other)
		}
		ids[p.ID] = arn
	}
}

// TestClusterRole asks the policies of a cluster role what Auto Mode's calls with default and with extra tags come to.
func TestClusterRole(t *testing.T) {
	caller := &access.Caller{
		Type: access.TypeAssumedRole, ARN: "arn:aws:sts::111122223333:assumed-role/cluster/s", PrincipalARN: "arn:aws:iam::111122223333:role/cluster",
		Account: "111122223333", PrincipalTags: map[string]string{"eks:eks-cluster-name": "c1"},
	}
	for _, name := range []string{"AmazonEKSClusterPolicy", "AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy"} {
		caller.Identity = append(caller.Identity, access.MustParse(awsPolicies()["arn:aws:iam::aws:policy/"+name].document()))
	}
	auto := map[string][]string{
		"aws:RequestTag/eks:eks-cluster-name": {"c1"}, "aws:RequestTag/eks:kubernetes-node-class-name": {"default"},
		"aws:RequestTag/eks:kubernetes-node-pool-name": {"general-purpose"},
		"aws:TagKeys": {"eks:eks-cluster-name", "eks:kubernetes-node-class-name", "eks:kubernetes-node-pool-name", "kubernetes.io/cluster/c1"},
	}
	with := func(key, value string) map[string][]string {
		m := map[string][]string{key: {value}}
		for k, v := range auto {
			if k != key {
				m[k] = v
			}
		}
		return m
	}
	extra := with("aws:RequestTag/environment", "custom")
	extra["aws:TagKeys"] = append([]string{"environment"}, auto["aws:TagKeys"]...)
	const ec2 = "arn:aws:ec2:us-east-1:111122223333:"
	cases := []struct {
		name, action, resource string
		context                map[string][]string
		want                   bool
	}{
		{"launch template", "ec2:CreateLaunchTemplate", ec2 + "launch-template/*", auto, true},
		{"launch template with an extra tag", "ec2:CreateLaunchTemplate", ec2 + "launch-template/*", extra, false},
		{"launch template of another cluster", "ec2:CreateLaunchTemplate", ec2 + "launch-template/*", with("aws:RequestTag/eks:eks-cluster-name", "c2"), false},
		{"launch template without tags", "ec2:CreateLaunchTemplate", ec2 + "launch-template/*", nil, false},
		{"fleet", "ec2:CreateFleet", ec2 + "fleet/*", auto, true},
		{"fleet in a subnet", "ec2:CreateFleet", ec2 + "subnet/subnet-1", nil, true},
		{"fleet from its template", "ec2:CreateFleet", ec2 + "launch-template/lt-1", map[string][]string{"aws:ResourceTag/eks:eks-cluster-name": {"c1"}}, true},
		{"fleet from a foreign template", "ec2:CreateFleet", ec2 + "launch-template/lt-1", map[string][]string{"aws:ResourceTag/eks:eks-cluster-name": {"c2"}}, false},
		{"instance", "ec2:RunInstances", ec2 + "instance/*", auto, true},
		{"tags at creation", "ec2:CreateTags", ec2 + "instance/*", map[string][]string{"ec2:CreateAction": {"RunInstances"}}, true},
		{"tags afterwards (AmazonEKSClusterPolicy)", "ec2:CreateTags", ec2 + "launch-template/lt-1", nil, true},
		{"termination", "ec2:TerminateInstances", ec2 + "instance/i-1", map[string][]string{"aws:ResourceTag/eks:eks-cluster-name": {"c1"}}, false},
		{"role for instances", "iam:PassRole", "arn:aws:iam::111122223333:role/node", map[string][]string{"iam:PassedToService": {"ec2.amazonaws.com"}}, true},
		{"role for others", "iam:PassRole", "arn:aws:iam::111122223333:role/node", map[string][]string{"iam:PassedToService": {"lambda.amazonaws.com"}}, false},
		{"role into its profile", "iam:AddRoleToInstanceProfile", "arn:aws:iam::111122223333:instance-profile/eks-x", nil, true},
		{"role into another profile", "iam:AddRoleToInstanceProfile", "arn:aws:iam::111122223333:instance-profile/mine", nil, false},
		{"spot role", "iam:CreateServiceLinkedRole", "arn:aws:iam::111122223333:role/aws-service-role/spot.amazonaws.com/AWSServiceRoleForEC2Spot", map[string][]string{"iam:AWSServiceName": {"spot.amazonaws.com"}}, true},
		{"prefixes of its interface", "ec2:AssignPrivateIpAddresses", ec2 + "network-interface/eni-1", map[string][]string{"aws:ResourceTag/eks:eks-cluster-name": {"c1"}}, true},
	}
	for _, c := range cases {
		d := access.Evaluate(caller, nil, access.Request{Action: c.action, Resource: c.resource, Context: c.context})
		if d.Allowed != c.want {
			t.Errorf("%s: allowed = %v, want %v", c.name, d.Allowed, c.want)
		}
	}
}

func BenchmarkEvaluate(b *testing.B) {
	caller := &access.Caller{Type: access.TypeAssumedRole, PrincipalTags: map[string]string{"eks:eks-cluster-name": "c1"}}
	for _, name := range []string{"AmazonEKSComputePolicy", "AmazonEKSBlockStoragePolicy", "AmazonEKSLoadBalancingPolicy", "AmazonEKSNetworkingPolicy", "AmazonEKSClusterPolicy"} {
		caller.Identity = append(caller.Identity, access.MustParse(awsPolicies()["arn:aws:iam::aws:policy/"+name].document()))
	}
	r := access.Request{Action: "ec2:CreateTags", Resource: "arn:aws:ec2:us-east-1:111122223333:instance/*", Context: map[string][]string{"ec2:CreateAction": {"RunInstances"}}}
	for b.Loop() {
		access.Evaluate(caller, nil, r)
	}
}
