package ec2

import "github.com/automode-dev/automode/localcloud/wire"

// Wire returns the operations of the service, ready to be mounted on the local cloud's server.
func (s *Service) Wire() *wire.Service {
	w := wire.NewService("ec2")
	s.registerNetwork(w)
	s.registerCompute(w)
	s.registerCatalog(w)
	return w
}

func (s *Service) registerNetwork(w *wire.Service) {
	wire.Handle(w, "CreateVpc", s.CreateVpc)
	wire.Handle(w, "DescribeVpcs", s.DescribeVpcs)
	wire.Handle(w, "DeleteVpc", s.DeleteVpc)
	wire.Handle(w, "ModifyVpcAttribute", s.ModifyVpcAttribute)
	wire.Handle(w, "DescribeVpcAttribute", s.DescribeVpcAttribute)
	wire.Handle(w, "CreateSubnet", s.CreateSubnet)
	wire.Handle(w, "DescribeSubnets", s.DescribeSubnets)
	wire.Handle(w, "DeleteSubnet", s.DeleteSubnet)
	wire.Handle(w, "ModifySubnetAttribute", s.ModifySubnetAttribute)

	wire.Handle(w, "CreateRouteTable", s.CreateRouteTable)
	wire.Handle(w, "DescribeRouteTables", s.DescribeRouteTables)
	wire.Handle(w, "DeleteRouteTable", s.DeleteRouteTable)
	wire.Handle(w, "AssociateRouteTable", s.AssociateRouteTable)
	wire.Handle(w, "DisassociateRouteTable", s.DisassociateRouteTable)
	wire.Handle(w, "ReplaceRouteTableAssociation", s.ReplaceRouteTableAssociation)
	wire.Handle(w, "CreateRoute", s.CreateRoute)
	wire.Handle(w, "ReplaceRoute", s.ReplaceRoute)
	wire.Handle(w, "DeleteRoute", s.DeleteRoute)

	wire.Handle(w, "CreateInternetGateway", s.CreateInternetGateway)
	wire.Handle(w, "DescribeInternetGateways", s.DescribeInternetGateways)
	wire.Handle(w, "AttachInternetGateway", s.AttachInternetGateway)
	wire.Handle(w, "DetachInternetGateway", s.DetachInternetGateway)
	wire.Handle(w, "DeleteInternetGateway", s.DeleteInternetGateway)
	wire.Handle(w, "CreateNatGateway", s.CreateNatGateway)
	wire.Handle(w, "DescribeNatGateways", s.DescribeNatGateways)
	wire.Handle(w, "DeleteNatGateway", s.DeleteNatGateway)
	wire.Handle(w, "AllocateAddress", s.AllocateAddress)
	wire.Handle(w, "DescribeAddresses", s.DescribeAddresses)
	wire.Handle(w, "ReleaseAddress", s.ReleaseAddress)
	wire.Handle(w, "AssociateAddress", s.AssociateAddress)
	wire.Handle(w, "DisassociateAddress", s.DisassociateAddress)

	wire.Handle(w, "CreateSecurityGroup", s.CreateSecurityGroup)
	wire.Handle(w, "DescribeSecurityGroups", s.DescribeSecurityGroups)
	wire.Handle(w, "DeleteSecurityGroup", s.DeleteSecurityGroup)
	wire.Handle(w, "GetSecurityGroupsForVpc", s.GetSecurityGroupsForVpc)
	wire.Handle(w, "DescribeSecurityGroupReferences", s.DescribeSecurityGroupReferences)
	wire.Handle(w, "DescribeSecurityGroupRules", s.DescribeSecurityGroupRules)
	wire.Handle(w, "AuthorizeSecurityGroupIngress", s.AuthorizeSecurityGroupIngress)
	wire.Handle(w, "AuthorizeSecurityGroupEgress", s.AuthorizeSecurityGroupEgress)
	wire.Handle(w, "RevokeSecurityGroupIngress", s.RevokeSecurityGroupIngress)
	wire.Handle(w, "RevokeSecurityGroupEgress", s.RevokeSecurityGroupEgress)
	wire.Handle(w, "ModifySecurityGroupRules", s.ModifySecurityGroupRules)
	wire.Handle(w, "UpdateSecurityGroupRuleDescriptionsIngress", s.UpdateSecurityGroupRuleDescriptionsIngress)
	wire.Handle(w, "UpdateSecurityGroupRuleDescriptionsEgress", s.UpdateSecurityGroupRuleDescriptionsEgress)

	wire.Handle(w, "CreateNetworkInterface", s.CreateNetworkInterface)
	wire.Handle(w, "DescribeNetworkInterfaces", s.DescribeNetworkInterfaces)
	wire.Handle(w, "DescribeNetworkInterfaceAttribute", s.DescribeNetworkInterfaceAttribute)
	wire.Handle(w, "ModifyNetworkInterfaceAttribute", s.ModifyNetworkInterfaceAttribute)
	wire.Handle(w, "AttachNetworkInterface", s.AttachNetworkInterface)
	wire.Handle(w, "DetachNetworkInterface", s.DetachNetworkInterface)
	wire.Handle(w, "DeleteNetworkInterface", s.DeleteNetworkInterface)
	wire.Handle(w, "AssignPrivateIpAddresses", s.AssignPrivateIpAddresses)
	wire.Handle(w, "UnassignPrivateIpAddresses", s.UnassignPrivateIpAddresses)
}

func (s *Service) registerCompute(w *wire.Service) {
	wire.Handle(w, "CreateLaunchTemplate", s.CreateLaunchTemplate)
	wire.Handle(w, "CreateLaunchTemplateVersion", s.CreateLaunchTemplateVersion)
	wire.Handle(w, "DescribeLaunchTemplates", s.DescribeLaunchTemplates)
	wire.Handle(w, "DescribeLaunchTemplateVersions", s.DescribeLaunchTemplateVersions)
	wire.Handle(w, "ModifyLaunchTemplate", s.ModifyLaunchTemplate)
	wire.Handle(w, "DeleteLaunchTemplate", s.DeleteLaunchTemplate)
	wire.Handle(w, "DeleteLaunchTemplateVersions", s.DeleteLaunchTemplateVersions)
	wire.Handle(w, "CreateFleet", s.CreateFleet)

	wire.Handle(w, "RunInstances", s.RunInstances)
	wire.Handle(w, "DescribeInstances", s.DescribeInstances)
	wire.Handle(w, "TerminateInstances", s.TerminateInstances)
	wire.Handle(w, "StopInstances", s.StopInstances)
	wire.Handle(w, "StartInstances", s.StartInstances)
	wire.Handle(w, "RebootInstances", s.RebootInstances)

	wire.Handle(w, "CreateVolume", s.CreateVolume)
	wire.Handle(w, "DescribeVolumes", s.DescribeVolumes)
	wire.Handle(w, "DescribeVolumeAttribute", s.DescribeVolumeAttribute)
	wire.Handle(w, "AttachVolume", s.AttachVolume)
	wire.Handle(w, "DetachVolume", s.DetachVolume)
	wire.Handle(w, "DeleteVolume", s.DeleteVolume)

	wire.Handle(w, "ImportKeyPair", s.ImportKeyPair)
	wire.Handle(w, "DescribeKeyPairs", s.DescribeKeyPairs)
	wire.Handle(w, "DeleteKeyPair", s.DeleteKeyPair)
	wire.Handle(w, "CreateTags", s.CreateTags)
	wire.Handle(w, "DeleteTags", s.DeleteTags)
	wire.Handle(w, "DescribeTags", s.DescribeTags)
}

func (s *Service) registerCatalog(w *wire.Service) {
	wire.Handle(w, "DescribeRegions", s.DescribeRegions)
	wire.Handle(w, "DescribeAvailabilityZones", s.DescribeAvailabilityZones)
	wire.Handle(w, "DescribeInstanceTypes", s.DescribeInstanceTypes)
	wire.Handle(w, "DescribeInstanceTypeOfferings", s.DescribeInstanceTypeOfferings)
	wire.Handle(w, "DescribeSpotPriceHistory", s.DescribeSpotPriceHistory)
	wire.Handle(w, "DescribeSpotInstanceRequests", s.DescribeSpotInstanceRequests)
	wire.Handle(w, "DescribeImages", s.DescribeImages)
	wire.Handle(w, "GetManagedResourceVisibility", s.GetManagedResourceVisibility)
	wire.Handle(w, "ModifyManagedResourceVisibility", s.ModifyManagedResourceVisibility)
}
