package eks

import "github.com/automode-dev/automode/localcloud/wire"

// Wire returns the operations that the AWS side of the server mounts.
func (s *Service) Wire() *wire.Service {
	svc := wire.NewService("eks")
	wire.Handle(svc, "CreateCluster", s.CreateCluster)
	wire.Handle(svc, "DescribeCluster", s.DescribeCluster)
	wire.Handle(svc, "ListClusters", s.ListClusters)
	wire.Handle(svc, "DeleteCluster", s.DeleteCluster)

	wire.Handle(svc, "UpdateClusterConfig", s.UpdateClusterConfig)
	wire.Handle(svc, "UpdateClusterVersion", s.UpdateClusterVersion)
	wire.Handle(svc, "DescribeUpdate", s.DescribeUpdate)
	wire.Handle(svc, "ListUpdates", s.ListUpdates)
	wire.Handle(svc, "DescribeClusterVersions", s.DescribeClusterVersions)

	wire.Handle(svc, "TagResource", s.TagResource)
	wire.Handle(svc, "UntagResource", s.UntagResource)
	wire.Handle(svc, "ListTagsForResource", s.ListTagsForResource)

	wire.Handle(svc, "CreateAccessEntry", s.CreateAccessEntry)
	wire.Handle(svc, "DescribeAccessEntry", s.DescribeAccessEntry)
	wire.Handle(svc, "ListAccessEntries", s.ListAccessEntries)
	wire.Handle(svc, "UpdateAccessEntry", s.UpdateAccessEntry)
	wire.Handle(svc, "DeleteAccessEntry", s.DeleteAccessEntry)

	wire.Handle(svc, "AssociateAccessPolicy", s.AssociateAccessPolicy)
	wire.Handle(svc, "DisassociateAccessPolicy", s.DisassociateAccessPolicy)
	wire.Handle(svc, "ListAssociatedAccessPolicies", s.ListAssociatedAccessPolicies)
	wire.Handle(svc, "ListAccessPolicies", s.ListAccessPolicies)

	wire.Handle(svc, "CreatePodIdentityAssociation", s.CreatePodIdentityAssociation)
	wire.Handle(svc, "DescribePodIdentityAssociation", s.DescribePodIdentityAssociation)
	wire.Handle(svc, "ListPodIdentityAssociations", s.ListPodIdentityAssociations)
	wire.Handle(svc, "UpdatePodIdentityAssociation", s.UpdatePodIdentityAssociation)
	wire.Handle(svc, "DeletePodIdentityAssociation", s.DeletePodIdentityAssociation)

	wire.Handle(svc, "ListNodegroups", s.ListNodegroups)
	wire.Handle(svc, "DescribeNodegroup", s.DescribeNodegroup)
	wire.Handle(svc, "ListFargateProfiles", s.ListFargateProfiles)
	wire.Handle(svc, "DescribeFargateProfile", s.DescribeFargateProfile)
	wire.Handle(svc, "ListAddons", s.ListAddons)
	wire.Handle(svc, "DescribeAddon", s.DescribeAddon)
	wire.Handle(svc, "DescribeAddonVersions", s.DescribeAddonVersions)
	wire.Handle(svc, "ListIdentityProviderConfigs", s.ListIdentityProviderConfigs)
	wire.Handle(svc, "ListInsights", s.ListInsights)
	return svc
}
