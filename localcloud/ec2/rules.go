package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// maxRules is how many rules a group may have in one direction.
const maxRules = 60

var ruleKind = register(&kind[types.SecurityGroupRule]{
	prefix: "sgr", resource: types.ResourceTypeSecurityGroupRule,
	absent: func(ids []string) error {
		return errorf("InvalidSecurityGroupRuleId.NotFound", "%s", notExist("security group rule", ids))
	},
	badID: func(id string) error {
		return errorf("InvalidSecurityGroupRuleId.Malformed", "The security group rule ID '%s' is malformed", id)
	},
	table: func(r *region) *table[types.SecurityGroupRule] { return r.rules },
	tags:  func(g *types.SecurityGroupRule) []types.Tag { return g.Tags },
	retag: func(g *types.SecurityGroupRule, tags []types.Tag) { g.Tags = tags },
	filters: map[string]func(*region, *types.SecurityGroupRule) []string{
		"group-id":               func(_ *region, g *types.SecurityGroupRule) []string { return one(g.GroupId) },
		"security-group-rule-id": func(_ *region, g *types.SecurityGroupRule) []string { return one(g.SecurityGroupRuleId) },
	},
})

// DescribeSecurityGroupRules lists rules, each with its own id.
func (s *Service) DescribeSecurityGroupRules(ctx context.Context, in *ec2.DescribeSecurityGroupRulesInput) (*ec2.DescribeSecurityGroupRulesOutput, error) {
	for _, f := range in.Filters {
		for _, id := range f.Values {
			if str(f.Name) == "group-id" && !wellFormed("sg", id) {
				return nil, errorf("InvalidGroupId.Malformed", "The security group ID '%s' is malformed", id)
			}
		}
	}
	_, rows, next, err := describe(ctx, s, ruleKind, query{ids: in.SecurityGroupRuleIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 1000})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeSecurityGroupRulesOutput{NextToken: next, SecurityGroupRules: []types.SecurityGroupRule{}}
	for _, rule := range rows {
		out.SecurityGroupRules = append(out.SecurityGroupRules, *rule)
	}
	return out, nil
}

// single is the permission that the flat parameters of a call name.
func single(list []types.IpPermission, protocol, cidr, source *string, from, to *int32) []types.IpPermission {
	if protocol == nil && cidr == nil && source == nil {
		return list
	}
	p := types.IpPermission{IpProtocol: protocol, FromPort: from, ToPort: to}
	if p.IpProtocol == nil && source != nil {
		p.IpProtocol = new("-1")
	}
	if cidr != nil {
		p.IpRanges = []types.IpRange{{CidrIp: cidr}}
	}
	if source != nil {
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupName: source}}
	}
	return append(slices.Clone(list), p)
}

// AuthorizeSecurityGroupIngress adds rules for what may come in.
func (s *Service) AuthorizeSecurityGroupIngress(ctx context.Context, in *ec2.AuthorizeSecurityGroupIngressInput) (*ec2.AuthorizeSecurityGroupIngressOutput, error) {
	list := single(in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.FromPort, in.ToPort)
	rules, err := s.addRules(ctx, in.DryRun, in.GroupId, in.GroupName, false, list, in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupIngressOutput{Return: new(err == nil), SecurityGroupRules: rules}, err
}

// AuthorizeSecurityGroupEgress adds rules for what may go out.
func (s *Service) AuthorizeSecurityGroupEgress(ctx context.Context, in *ec2.AuthorizeSecurityGroupEgressInput) (*ec2.AuthorizeSecurityGroupEgressOutput, error) {
	list := single(in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.FromPort, in.ToPort)
	rules, err := s.addRules(ctx, in.DryRun, in.GroupId, nil, true, list, in.TagSpecifications)
	return &ec2.AuthorizeSecurityGroupEgressOutput{Return: new(err == nil), SecurityGroupRules: rules}, err
}

// groupID resolves the group that a call names by id, or by name in the default VPC.
func (r *region) groupID(id, name *string) (string, error) {
	if id != nil || name == nil {
		return str(id), nil
	}
	vpcID := r.defaultVPC()
	found := ""
	r.view(func() {
		if g := r.groupNamed(vpcID, *name); g != nil {
			found = *g.GroupId
		}
	})
	if found == "" {
		return "", errorf("InvalidGroup.NotFound", "The security group '%s' does not exist in default VPC '%s'", *name, vpcID)
	}
	return found, nil
}

func (s *Service) addRules(ctx context.Context, dryRun *bool, groupID, groupName *string, egress bool, list []types.IpPermission, tagSpecs []types.TagSpecification) ([]types.SecurityGroupRule, error) {
	if len(list) == 0 {
		return nil, missing("ipPermissions")
	}
	if err := checkSpecs(tagSpecs, types.ResourceTypeSecurityGroupRule); err != nil {
		return nil, err
	}
	tags := specified(tagSpecs, types.ResourceTypeSecurityGroupRule)
	var made []types.SecurityGroupRule
	err := s.onGroup(ctx, dryRun, groupID, groupName, tags, func(r *region, tx *txn, g *types.SecurityGroup) error {
		specs, err := r.specs(g, list)
		if err != nil {
			return err
		}
		have := r.rulesOf(*g.GroupId, egress)
		if len(have)+len(specs) > maxRules {
			return errorf("RulesPerSecurityGroupLimitExceeded", "The maximum number of rules per security group has been reached.")
		}
		for _, spec := range specs {
			if slices.ContainsFunc(have, func(o *types.SecurityGroupRule) bool { return specOf(o).same(spec) }) {
				return errorf("InvalidPermission.Duplicate", "the specified rule \"%s\" already exists", spec.text())
			}
			rule := r.newRule(g, egress, spec)
			rule.Tags = tags
			r.rules.put(tx, *rule.SecurityGroupRuleId, rule)
			have, made = append(have, rule), append(made, *rule)
		}
		r.nets.later(tx, *g.VpcId)
		return nil
	})
	return made, err
}

// onGroup authorizes a change of a group's rules and makes it.
func (s *Service) onGroup(ctx context.Context, dryRun *bool, groupID, groupName *string, tags []types.Tag, f func(*region, *txn, *types.SecurityGroup) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	id, err := r.groupID(groupID, groupName)
	if err != nil {
		return err
	}
	if id == "" {
		return missing("groupId")
	}
	targets, err := targetsOf(r, groupKind, id)
	if err != nil {
		return err
	}
	if len(tags) > 0 {
		targets = append(targets, created(r, types.ResourceTypeSecurityGroupRule, tags))
	}
	if err := s.authorize(ctx, dryRun, targets...); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		g, err := groupKind.find(r, id)
		if err != nil {
			return err
		}
		return f(r, tx, g)
	})
}

// RevokeSecurityGroupIngress removes rules by id or by what they allow.
func (s *Service) RevokeSecurityGroupIngress(ctx context.Context, in *ec2.RevokeSecurityGroupIngressInput) (*ec2.RevokeSecurityGroupIngressOutput, error) {
	list := single(in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.FromPort, in.ToPort)
	revoked, err := s.revoke(ctx, in.DryRun, in.GroupId, in.GroupName, false, list, in.SecurityGroupRuleIds)
	return &ec2.RevokeSecurityGroupIngressOutput{Return: new(err == nil), RevokedSecurityGroupRules: revoked}, err
}

// RevokeSecurityGroupEgress removes rules by id or by what they allow.
func (s *Service) RevokeSecurityGroupEgress(ctx context.Context, in *ec2.RevokeSecurityGroupEgressInput) (*ec2.RevokeSecurityGroupEgressOutput, error) {
	list := single(in.IpPermissions, in.IpProtocol, in.CidrIp, in.SourceSecurityGroupName, in.FromPort, in.ToPort)
	revoked, err := s.revoke(ctx, in.DryRun, in.GroupId, nil, true, list, in.SecurityGroupRuleIds)
	return &ec2.RevokeSecurityGroupEgressOutput{Return: new(err == nil), RevokedSecurityGroupRules: revoked}, err
}

func (s *Service) revoke(ctx context.Context, dryRun *bool, groupID, groupName *string, egress bool, list []types.IpPermission, ids []string) ([]types.RevokedSecurityGroupRule, error) {
	if len(list) == 0 && len(ids) == 0 {
		return nil, missing("ipPermissions or securityGroupRuleIds")
	}
	var revoked []types.RevokedSecurityGroupRule
	err := s.onGroup(ctx, dryRun, groupID, groupName, nil, func(r *region, tx *txn, g *types.SecurityGroup) error {
		specs, err := r.specs(g, list)
		if err != nil {
			return err
		}
		var gone []*types.SecurityGroupRule
		for _, id := range ids {
			rule, err := ruleKind.find(r, id)
			if err != nil {
				return err
			}
			if *rule.GroupId != *g.GroupId || *rule.IsEgress != egress {
				return ruleKind.absent([]string{id})
			}
			gone = append(gone, rule)
		}
		have := r.rulesOf(*g.GroupId, egress)
		for _, spec := range specs {
			i := slices.IndexFunc(have, func(o *types.SecurityGroupRule) bool { return specOf(o).same(spec) })
			if i < 0 {
				return errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			gone = append(gone, have[i])
		}
		for _, rule := range gone {
			r.rules.drop(tx, *rule.SecurityGroupRuleId)
			revoked = append(revoked, types.RevokedSecurityGroupRule{SecurityGroupRuleId: rule.SecurityGroupRuleId, GroupId: rule.GroupId,
				IsEgress: rule.IsEgress, IpProtocol: rule.IpProtocol, FromPort: rule.FromPort, ToPort: rule.ToPort, CidrIpv4: rule.CidrIpv4,
				CidrIpv6: rule.CidrIpv6, PrefixListId: rule.PrefixListId, ReferencedGroupId: ruleReference(rule), Description: rule.Description})
		}
		r.nets.later(tx, *g.VpcId)
		return nil
	})
	return revoked, err
}

// ModifySecurityGroupRules replaces rules by id.
func (s *Service) ModifySecurityGroupRules(ctx context.Context, in *ec2.ModifySecurityGroupRulesInput) (*ec2.ModifySecurityGroupRulesOutput, error) {
	err := s.onGroup(ctx, in.DryRun, in.GroupId, nil, nil, func(r *region, tx *txn, g *types.SecurityGroup) error {
		for _, u := range in.SecurityGroupRules {
			rule, err := ruleKind.find(r, str(u.SecurityGroupRuleId))
			if err != nil {
				return err
			}
			if *rule.GroupId != *g.GroupId || u.SecurityGroupRule == nil {
				return ruleKind.absent([]string{str(u.SecurityGroupRuleId)})
			}
			switch n := peers(u.SecurityGroupRule); {
			case n > 1:
				return combination("Only one of cidrIp, cidrIpv6, prefixListId, or referencedGroupId can be specified")
			case n == 0 && u.SecurityGroupRule.IpProtocol != nil:
				return errorf("MissingParameter", "The request must contain exactly one of: cidrIp, cidrIpv6, prefixListId, or referencedGroupId")
			}
			specs, err := r.specs(g, []types.IpPermission{permissionOf(u.SecurityGroupRule)})
			if err != nil {
				return err
			}
			r.rules.put(tx, *rule.SecurityGroupRuleId, with(rule, func(rule *types.SecurityGroupRule) { r.fillRule(rule, specs[0]) }))
		}
		r.nets.later(tx, *g.VpcId)
		return nil
	})
	return &ec2.ModifySecurityGroupRulesOutput{Return: new(err == nil)}, err
}

// peers counts the peers that a rule names.
func peers(q *types.SecurityGroupRuleRequest) (n int) {
	for _, p := range []*string{q.CidrIpv4, q.CidrIpv6, q.PrefixListId, q.ReferencedGroupId} {
		if p != nil {
			n++
		}
	}
	return n
}

func permissionOf(q *types.SecurityGroupRuleRequest) types.IpPermission {
	p := types.IpPermission{IpProtocol: q.IpProtocol, FromPort: q.FromPort, ToPort: q.ToPort}
	switch {
	case q.CidrIpv4 != nil:
		p.IpRanges = []types.IpRange{{CidrIp: q.CidrIpv4, Description: q.Description}}
	case q.CidrIpv6 != nil:
		p.Ipv6Ranges = []types.Ipv6Range{{CidrIpv6: q.CidrIpv6, Description: q.Description}}
	case q.PrefixListId != nil:
		p.PrefixListIds = []types.PrefixListId{{PrefixListId: q.PrefixListId, Description: q.Description}}
	case q.ReferencedGroupId != nil:
		p.UserIdGroupPairs = []types.UserIdGroupPair{{GroupId: q.ReferencedGroupId, Description: q.Description}}
	}
	return p
}

// UpdateSecurityGroupRuleDescriptionsIngress changes descriptions of incoming rules.
func (s *Service) UpdateSecurityGroupRuleDescriptionsIngress(ctx context.Context, in *ec2.UpdateSecurityGroupRuleDescriptionsIngressInput) (*ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput, error) {
	err := s.redescribe(ctx, in.DryRun, in.GroupId, in.GroupName, false, in.IpPermissions, in.SecurityGroupRuleDescriptions)
	return &ec2.UpdateSecurityGroupRuleDescriptionsIngressOutput{Return: new(err == nil)}, err
}

// UpdateSecurityGroupRuleDescriptionsEgress changes descriptions of outgoing rules.
func (s *Service) UpdateSecurityGroupRuleDescriptionsEgress(ctx context.Context, in *ec2.UpdateSecurityGroupRuleDescriptionsEgressInput) (*ec2.UpdateSecurityGroupRuleDescriptionsEgressOutput, error) {
	err := s.redescribe(ctx, in.DryRun, in.GroupId, in.GroupName, true, in.IpPermissions, in.SecurityGroupRuleDescriptions)
	return &ec2.UpdateSecurityGroupRuleDescriptionsEgressOutput{Return: new(err == nil)}, err
}

func (s *Service) redescribe(ctx context.Context, dryRun *bool, groupID, groupName *string, egress bool, list []types.IpPermission, byID []types.SecurityGroupRuleDescription) error {
	return s.onGroup(ctx, dryRun, groupID, groupName, nil, func(r *region, tx *txn, g *types.SecurityGroup) error {
		describe := func(rule *types.SecurityGroupRule, text string) {
			r.rules.put(tx, *rule.SecurityGroupRuleId, with(rule, func(rule *types.SecurityGroupRule) { rule.Description = optional(text) }))
		}
		for _, d := range byID {
			rule, err := ruleKind.find(r, str(d.SecurityGroupRuleId))
			if err != nil {
				return err
			}
			describe(rule, str(d.Description))
		}
		specs, err := r.specs(g, list)
		if err != nil {
			return err
		}
		for _, spec := range specs {
			have := r.rulesOf(*g.GroupId, egress)
			i := slices.IndexFunc(have, func(o *types.SecurityGroupRule) bool { return specOf(o).same(spec) })
			if i < 0 {
				return errorf("InvalidPermission.NotFound", "The specified rule does not exist in this security group.")
			}
			describe(have[i], spec.description)
		}
		return nil
	})
}
