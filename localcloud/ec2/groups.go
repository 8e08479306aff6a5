package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var groupKind = register(&kind[types.SecurityGroup]{
	prefix: "sg", resource: types.ResourceTypeSecurityGroup,
	absent: func(ids []string) error {
		if len(ids) > 1 {
			return errorf("InvalidGroup.NotFound", "The security groups %s do not exist", quoted(ids))
		}
		return errorf("InvalidGroup.NotFound", "The security group '%s' does not exist", ids[0])
	},
	badID: func(id string) error {
		return errorf("InvalidGroupId.Malformed", "Invalid id: \"%s\" (expecting \"sg-...\")", id)
	},
	table: func(r *region) *table[types.SecurityGroup] { return r.groups },
	tags:  func(g *types.SecurityGroup) []types.Tag { return g.Tags },
	retag: func(g *types.SecurityGroup, tags []types.Tag) { g.Tags = tags },
	filters: map[string]func(*region, *types.SecurityGroup) []string{
		"group-id":                        func(_ *region, g *types.SecurityGroup) []string { return one(g.GroupId) },
		"group-name":                      func(_ *region, g *types.SecurityGroup) []string { return one(g.GroupName) },
		"description":                     func(_ *region, g *types.SecurityGroup) []string { return one(g.Description) },
		"owner-id":                        func(_ *region, g *types.SecurityGroup) []string { return one(g.OwnerId) },
		"vpc-id":                          func(_ *region, g *types.SecurityGroup) []string { return one(g.VpcId) },
		"ip-permission.cidr":              ruleFilter(false, func(r *types.SecurityGroupRule) *string { return r.CidrIpv4 }),
		"ip-permission.from-port":         ruleFilter(false, func(r *types.SecurityGroupRule) *string { return new(intText(r.FromPort)) }),
		"ip-permission.to-port":           ruleFilter(false, func(r *types.SecurityGroupRule) *string { return new(intText(r.ToPort)) }),
		"ip-permission.protocol":          ruleFilter(false, func(r *types.SecurityGroupRule) *string { return r.IpProtocol }),
		"ip-permission.group-id":          ruleFilter(false, ruleReference),
		"ip-permission.group-name":        ruleGroupName(false),
		"egress.ip-permission.group-name": ruleGroupName(true),
		"egress.ip-permission.cidr":       ruleFilter(true, func(r *types.SecurityGroupRule) *string { return r.CidrIpv4 }),
		"egress.ip-permission.from-port":  ruleFilter(true, func(r *types.SecurityGroupRule) *string { return new(intText(r.FromPort)) }),
		"egress.ip-permission.to-port":    ruleFilter(true, func(r *types.SecurityGroupRule) *string { return new(intText(r.ToPort)) }),
		"egress.ip-permission.protocol":   ruleFilter(true, func(r *types.SecurityGroupRule) *string { return r.IpProtocol }),
		"egress.ip-permission.group-id":   ruleFilter(true, ruleReference),
	},
})

func ruleReference(r *types.SecurityGroupRule) *string {
	if r.ReferencedGroupInfo == nil {
		return nil
	}
	return r.ReferencedGroupInfo.GroupId
}

func ruleFilter(egress bool, field func(*types.SecurityGroupRule) *string) func(*region, *types.SecurityGroup) []string {
	return func(r *region, g *types.SecurityGroup) (values []string) {
		for _, rule := range r.index.rulesByGroup[*g.GroupId] {
			if *rule.IsEgress == egress {
				values = append(values, one(field(rule))...)
			}
		}
		return values
	}
}

func ruleGroupName(egress bool) func(*region, *types.SecurityGroup) []string {
	return func(r *region, g *types.SecurityGroup) []string {
		return ruleFilter(egress, func(rule *types.SecurityGroupRule) *string {
			if other := r.groups.get(str(ruleReference(rule))); other != nil {
				return other.GroupName
			}
			return nil
		})(r, g)
	}
}

func quoted(ids []string) (text string) {
	for i, id := range ids {
		if i > 0 {
			text += ", "
		}
		text += "'" + id + "'"
	}
	return text
}

// groupIdentifiers resolves group ids of a VPC; without any it is the VPC's default group.
func (r *region) groupIdentifiers(vpcID string, ids []string) ([]types.GroupIdentifier, error) {
	if len(ids) == 0 {
		g := r.groupNamed(vpcID, "default")
		return []types.GroupIdentifier{{GroupId: g.GroupId, GroupName: g.GroupName}}, nil
	}
	list := make([]types.GroupIdentifier, 0, len(ids))
	for _, id := range ids {
		g, err := groupKind.find(r, id)
		if err != nil {
			return nil, err
		}
		if *g.VpcId != vpcID {
			return nil, errorf("InvalidParameter", "Security group %s and subnet belong to different networks.", id)
		}
		list = append(list, types.GroupIdentifier{GroupId: g.GroupId, GroupName: g.GroupName})
	}
	return list, nil
}

func (r *region) groupNamed(vpcID, name string) *types.SecurityGroup {
	for _, g := range r.groups.rows {
		if *g.VpcId == vpcID && *g.GroupName == name {
			return g
		}
	}
	return nil
}

// createGroup stores a group that lets everything out and nothing in.
func (r *region) createGroup(tx *txn, v *vpcRow, name, description string, tags []types.Tag) *types.SecurityGroup {
	id := newID("sg")
	g := &types.SecurityGroup{GroupId: new(id), GroupName: new(name), Description: new(description), VpcId: v.VpcId, OwnerId: v.OwnerId,
		SecurityGroupArn: new(r.arn("security-group", id)), Tags: tags}
	r.groups.put(tx, id, g)
	r.putRule(tx, g, true, ruleSpec{protocol: "-1", from: -1, to: -1, cidr: "0.0.0.0/0"})
	return g
}

func (r *region) dropGroup(tx *txn, id string) {
	for ruleID := range r.index.rulesByGroup[id] {
		r.rules.drop(tx, ruleID)
	}
	r.groups.drop(tx, id)
}

// CreateSecurityGroup makes a group of a VPC, of the default one where none is named.
func (s *Service) CreateSecurityGroup(ctx context.Context, in *ec2.CreateSecurityGroupInput) (*ec2.CreateSecurityGroupOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	switch {
	case str(in.GroupName) == "":
		return nil, missing("groupName")
	case in.Description == nil || *in.Description == "":
		return nil, missing("GroupDescription")
	case len(*in.GroupName) > 255 || len(*in.Description) > 255:
		return nil, invalid("Group name and description may be at most 255 characters long")
	case wellFormed("sg", *in.GroupName) || len(*in.GroupName) > 3 && (*in.GroupName)[:3] == "sg-":
		return nil, invalid("Group names may not be in the format sg-*.")
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeSecurityGroup); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeSecurityGroup)
	vpcID := or(in.VpcId, r.defaultVPC())
	targets, err := targetsOf(r, vpcKind, vpcID)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, append(targets, created(r, types.ResourceTypeSecurityGroup, tags))...); err != nil {
		return nil, err
	}
	var g *types.SecurityGroup
	err = r.update(func(tx *txn) error {
		v, err := vpcKind.find(r, vpcID)
		if err != nil {
			return err
		}
		if r.groupNamed(vpcID, *in.GroupName) != nil {
			return errorf("InvalidGroup.Duplicate", "The security group '%s' already exists for VPC '%s'", *in.GroupName, vpcID)
		}
		g = r.createGroup(tx, v, *in.GroupName, *in.Description, tags)
		return nil
	})
	if err != nil {
		return nil, err
	}
	return &ec2.CreateSecurityGroupOutput{GroupId: g.GroupId, SecurityGroupArn: g.SecurityGroupArn, Tags: tags}, nil
}

func (r *region) defaultVPC() (id string) {
	r.view(func() { id = r.settings.get(settingsKey).DefaultVPC })
	return id
}

// DescribeSecurityGroups lists groups with their rules as permissions.
func (s *Service) DescribeSecurityGroups(ctx context.Context, in *ec2.DescribeSecurityGroupsInput) (*ec2.DescribeSecurityGroupsOutput, error) {
	filters := in.Filters
	if len(in.GroupNames) > 0 {
		filters = append(slices.Clone(filters), types.Filter{Name: new("group-name"), Values: in.GroupNames})
	}
	r, rows, next, err := describe(ctx, s, groupKind, query{ids: in.GroupIds, filters: filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSecurityGroupsOutput{NextToken: next}
	r.view(func() {
		for _, g := range rows {
			v := *g
			v.IpPermissions, v.IpPermissionsEgress = permissions(r.rulesOf(*g.GroupId, false)), permissions(r.rulesOf(*g.GroupId, true))
			out.SecurityGroups = append(out.SecurityGroups, v)
		}
	})
	for _, name := range in.GroupNames {
		if !slices.ContainsFunc(out.SecurityGroups, func(g types.SecurityGroup) bool { return *g.GroupName == name }) {
			return nil, errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", name, r.defaultVPC())
		}
	}
	return out, nil
}

// DeleteSecurityGroup removes a group that nothing uses or refers to.
func (s *Service) DeleteSecurityGroup(ctx context.Context, in *ec2.DeleteSecurityGroupInput) (*ec2.DeleteSecurityGroupOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.GroupId)
	if id == "" && in.GroupName != nil {
		vpcID := r.defaultVPC()
		r.view(func() {
			if g := r.groupNamed(vpcID, *in.GroupName); g != nil {
				id = *g.GroupId
			}
		})
		if id == "" {
			return nil, errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", *in.GroupName, vpcID)
		}
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, groupKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		g, err := groupKind.find(r, id)
		switch {
		case err != nil:
			return err
		case *g.GroupName == "default":
			return errorf("CannotDelete", "the specified group: \"%s\" name: \"default\" cannot be deleted by a user", id)
		case r.groupInUse(g):
			return dependency("resource %s has a dependent object", id)
		}
		r.dropGroup(tx, id)
		r.nets.later(tx, *g.VpcId)
		return nil
	})
	return &ec2.DeleteSecurityGroupOutput{GroupId: new(id), Return: new(err == nil)}, err
}

// groupInUse says whether an interface is in the group or another group's rule refers to it.
func (r *region) groupInUse(g *types.SecurityGroup) bool {
	for _, i := range r.index.interfacesByVPC[*g.VpcId] {
		if slices.Contains(i.groupIDs(), *g.GroupId) {
			return true
		}
	}
	for _, rule := range r.rules.rows {
		if *rule.GroupId != *g.GroupId && str(ruleReference(rule)) == *g.GroupId {
			return true
		}
	}
	return false
}

// GetSecurityGroupsForVpc lists the groups that can be used in a VPC.
func (s *Service) GetSecurityGroupsForVpc(ctx context.Context, in *ec2.GetSecurityGroupsForVpcInput) (*ec2.GetSecurityGroupsForVpcOutput, error) {
	if in.VpcId == nil {
		return nil, missing("VpcId")
	}
	filters := append(slices.Clone(in.Filters), types.Filter{Name: new("vpc-id"), Values: []string{*in.VpcId}})
	_, rows, next, err := describe(ctx, s, groupKind, query{filters: filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.GetSecurityGroupsForVpcOutput{NextToken: next}
	for _, g := range rows {
		out.SecurityGroupForVpcs = append(out.SecurityGroupForVpcs, types.SecurityGroupForVpc{GroupId: g.GroupId, GroupName: g.GroupName,
			Description: g.Description, OwnerId: g.OwnerId, PrimaryVpcId: g.VpcId, Tags: g.Tags})
	}
	return out, nil
}

// DescribeSecurityGroupReferences lists references over VPC peerings, of which there are none here.
func (s *Service) DescribeSecurityGroupReferences(ctx context.Context, in *ec2.DescribeSecurityGroupReferencesInput) (*ec2.DescribeSecurityGroupReferencesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, groupKind, in.GroupId...); err != nil {
		return nil, err
	}
	return &ec2.DescribeSecurityGroupReferencesOutput{SecurityGroupReferenceSet: []types.SecurityGroupReference{}}, nil
}
