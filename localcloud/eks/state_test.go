package eks

import (
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/go-cmp/cmp"
)

func TestTags(t *testing.T) {
	c := newCloud(t)
	arn := c.expectCreated(autoCluster("one", func(in *eks.CreateClusterInput) { in.Tags = map[string]string{"a": "1"} })).Arn
	ctx := t.Context()
	if _, err := c.TagResource(ctx, &eks.TagResourceInput{ResourceArn: arn, Tags: map[string]string{"b": "2"}}); err != nil {
		t.Fatal(err)
	}
	if _, err := c.UntagResource(ctx, &eks.UntagResourceInput{ResourceArn: arn, TagKeys: []string{"a"}}); err != nil {
		t.Fatal(err)
	}
	out, err := c.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: arn})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"b": "2"}, out.Tags); diff != "" {
		t.Error(diff)
	}
	_, err = c.ListTagsForResource(ctx, &eks.ListTagsForResourceInput{ResourceArn: aws.String(*arn + "x")})
	expectError(t, err, "NotFoundException", "No resource found for ARN: "+*arn+"x")
}

func TestPodIdentityAssociations(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	ctx, cluster := t.Context(), aws.String("one")
	in := &eks.CreatePodIdentityAssociationInput{
		ClusterName: cluster, Namespace: aws.String("default"), ServiceAccount: aws.String("app"), RoleArn: aws.String(testRole),
	}
	made, err := c.CreatePodIdentityAssociation(ctx, in)
	if err != nil {
		t.Fatal(err)
	}
	id := made.Association.AssociationId
	again := *in
	again.ClientRequestToken = aws.String("another")
	_, err = c.CreatePodIdentityAssociation(ctx, &again)
	expectError(t, err, "ResourceInUseException", "Association already exists: "+*id)
	updated, err := c.UpdatePodIdentityAssociation(ctx, &eks.UpdatePodIdentityAssociationInput{
		ClusterName: cluster, AssociationId: id, TargetRoleArn: aws.String("arn:aws:iam::444455556666:role/Target"),
	})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(updated.Association.ExternalId); got != "us-east-1/111122223333/one/default/app" {
		t.Errorf("external id %q", got)
	}
	list, err := c.ListPodIdentityAssociations(ctx, &eks.ListPodIdentityAssociationsInput{ClusterName: cluster, Namespace: aws.String("default")})
	if err != nil || len(list.Associations) != 1 {
		t.Errorf("associations: %+v, %v", list, err)
	}
	if _, err := c.DeletePodIdentityAssociation(ctx, &eks.DeletePodIdentityAssociationInput{ClusterName: cluster, AssociationId: id}); err != nil {
		t.Error(err)
	}
	_, err = c.DescribePodIdentityAssociation(ctx, &eks.DescribePodIdentityAssociationInput{ClusterName: cluster, AssociationId: id})
	expectError(t, err, "ResourceNotFoundException", "Association not found: "+*id)
}

func TestVersions(t *testing.T) {
	c := newCloud(t)
	out, err := c.DescribeClusterVersions(t.Context(), &eks.DescribeClusterVersionsInput{DefaultOnly: aws.Bool(true)})
	if err != nil || len(out.ClusterVersions) != 1 {
		t.Fatalf("versions: %+v, %v", out, err)
	}
	v := out.ClusterVersions[0]
	if got := *v.ClusterVersion + " " + *v.KubernetesPatchVersion; got != "1.35 1.35.4" || v.EndOfStandardSupportDate == nil {
		t.Errorf("version %+v", v)
	}
}

func TestConfigMapModeHasNoEntries(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(&eks.CreateClusterInput{
		Name: aws.String("plain"), RoleArn: aws.String(testRole),
		ResourcesVpcConfig: &types.VpcConfigRequest{SubnetIds: []string{"subnet-a", "subnet-b"}},
	})
	_, err := c.ListAccessEntries(t.Context(), &eks.ListAccessEntriesInput{ClusterName: aws.String("plain")})
	expectError(t, err, "InvalidRequestException", "The cluster's authentication mode must be set to one of [API, API_AND_CONFIG_MAP] to perform this operation.")
	if len(c.world.controllers) != 0 {
		t.Error("a cluster without Auto Mode has controllers")
	}
}

func TestNothingElseIsThere(t *testing.T) {
	c := newCloud(t)
	c.expectCreated(autoCluster("one"))
	ctx, cluster := t.Context(), aws.String("one")
	if out, err := c.ListNodegroups(ctx, &eks.ListNodegroupsInput{ClusterName: cluster}); err != nil || len(out.Nodegroups) != 0 {
		t.Error(out, err)
	}
	if out, err := c.ListAddons(ctx, &eks.ListAddonsInput{ClusterName: cluster}); err != nil || len(out.Addons) != 0 {
		t.Error(out, err)
	}
	_, err := c.DescribeAddon(ctx, &eks.DescribeAddonInput{ClusterName: cluster, AddonName: aws.String("coredns")})
	expectError(t, err, "ResourceNotFoundException", "No addon found for name: coredns.")
}
