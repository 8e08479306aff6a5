package ec2

import (
	"cmp"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// ruleSpec is one security group rule without its identity: one protocol, one port range, one peer.
type ruleSpec struct {
	protocol    string
	from, to    int32
	cidr, cidr6 string
	prefixList  string
	group       string
	description string
}

// same says whether two rules allow the same; descriptions do not count.
func (a ruleSpec) same(b ruleSpec) bool {
	a.description, b.description = "", ""
	return a == b
}

// text is how EC2 names a rule in its messages.
func (a ruleSpec) text() string {
	peer := a.cidr + a.cidr6 + a.prefixList + a.group
	ports := ""
	if a.protocol != "-1" {
		ports = ", from port: " + strconv.Itoa(int(a.from)) + ", to port: " + strconv.Itoa(int(a.to))
	}
	protocol := strings.ToUpper(a.protocol)
	if a.protocol == "-1" {
		protocol = "ALL"
	}
	return "peer: " + peer + ", " + protocol + ports + ", ALLOW"
}

func specOf(r *types.SecurityGroupRule) ruleSpec {
	return ruleSpec{protocol: *r.IpProtocol, from: or(r.FromPort, -1), to: or(r.ToPort, -1), cidr: str(r.CidrIpv4), cidr6: str(r.CidrIpv6),
		prefixList: str(r.PrefixListId), group: str(ruleReference(r)), description: str(r.Description)}
}

// protocols that may be given by number.
var protocolNames = map[string]string{"6": "tcp", "17": "udp", "1": "icmp", "58": "icmpv6", "all": "-1"}

// normalise checks and unifies protocol and ports of a request.
func normalise(protocol *string, from, to *int32) (ruleSpec, error) {
	if protocol == nil {
		return ruleSpec{}, invalid("Invalid value 'null' for protocol. VPC security group rules must specify protocols explicitly.")
	}
	p := strings.ToLower(*protocol)
	if name, ok := protocolNames[p]; ok {
		p = name
	}
	spec := ruleSpec{protocol: p, from: or(from, -1), to: or(to, -1)}
	switch p {
	case "tcp", "udp":
		if from == nil || to == nil {
			return spec, invalid("Invalid value for portRange. Must specify both from and to ports with TCP/UDP.")
		}
		if *from < 0 || *to > 65535 || *from > *to {
			return spec, invalid("Invalid TCP/UDP port range (%d:%d)", *from, *to)
		}
	case "icmp", "icmpv6":
	default:
		if n, err := strconv.Atoi(p); err != nil || n < -1 || n > 255 {
			return spec, invalid("Invalid value '%s' for IP protocol. Unknown protocol.", *protocol)
		}
		spec.from, spec.to = -1, -1
	}
	return spec, nil
}

func cleanCIDR(text string, v6 bool) (string, error) {
	p, err := netip.ParsePrefix(text)
	if err != nil || p.Addr().Is4() == v6 {
		return "", invalid("CIDR block %s is malformed", text)
	}
	return p.Masked().String(), nil
}

// specs turns permissions into single rules.
func (r *region) specs(g *types.SecurityGroup, list []types.IpPermission) ([]ruleSpec, error) {
	var out []ruleSpec
	for _, p := range list {
		base, err := normalise(p.IpProtocol, p.FromPort, p.ToPort)
		if err != nil {
			return nil, err
		}
		before := len(out)
		add := func(description *string, set func(*ruleSpec)) {
			spec := base
			spec.description = str(description)
			set(&spec)
			out = append(out, spec)
		}
		for _, c := range p.IpRanges {
			cidr, err := cleanCIDR(str(c.CidrIp), false)
			if err != nil {
				return nil, err
			}
			add(c.Description, func(s *ruleSpec) { s.cidr = cidr })
		}
		for _, c := range p.Ipv6Ranges {
			cidr, err := cleanCIDR(str(c.CidrIpv6), true)
			if err != nil {
				return nil, err
			}
			add(c.Description, func(s *ruleSpec) { s.cidr6 = cidr })
		}
		for _, l := range p.PrefixListIds {
			add(l.Description, func(s *ruleSpec) { s.prefixList = str(l.PrefixListId) })
		}
		for _, pair := range p.UserIdGroupPairs {
			id, err := r.pairedGroup(g, pair)
			if err != nil {
				return nil, err
			}
			add(pair.Description, func(s *ruleSpec) { s.group = id })
		}
		if len(out) == before {
			return nil, missing("cidrIp, cidrIpv6, prefixListId or groupId")
		}
	}
	return out, nil
}

func (r *region) pairedGroup(g *types.SecurityGroup, pair types.UserIdGroupPair) (string, error) {
	if pair.GroupId == nil {
		if named := r.groupNamed(*g.VpcId, str(pair.GroupName)); named != nil {
			return *named.GroupId, nil
		}
		return "", errorf("InvalidGroup.NotFound", "The security group '%s' does not exist", str(pair.GroupName))
	}
	other, err := groupKind.find(r, *pair.GroupId)
	if err != nil {
		return "", err
	}
	if *other.VpcId != *g.VpcId {
		return "", errorf("InvalidGroup.NotFound", "You have specified two resources that belong to different networks.")
	}
	return *other.GroupId, nil
}

func (r *region) newRule(g *types.SecurityGroup, egress bool, spec ruleSpec) *types.SecurityGroupRule {
	id := newID("sgr")
	rule := &types.SecurityGroupRule{SecurityGroupRuleId: new(id), SecurityGroupRuleArn: new(r.arn("security-group-rule", id)),
		GroupId: g.GroupId, GroupOwnerId: g.OwnerId, IsEgress: new(egress)}
	r.fillRule(rule, spec)
	return rule
}

func (r *region) fillRule(rule *types.SecurityGroupRule, spec ruleSpec) {
	rule.IpProtocol, rule.FromPort, rule.ToPort = new(spec.protocol), new(spec.from), new(spec.to)
	rule.CidrIpv4, rule.CidrIpv6, rule.PrefixListId = optional(spec.cidr), optional(spec.cidr6), optional(spec.prefixList)
	rule.Description, rule.ReferencedGroupInfo = optional(spec.description), nil
	if other := r.groups.get(spec.group); other != nil {
		rule.ReferencedGroupInfo = &types.ReferencedSecurityGroup{GroupId: other.GroupId, UserId: other.OwnerId, VpcId: other.VpcId}
	}
}

func (r *region) putRule(tx *txn, g *types.SecurityGroup, egress bool, spec ruleSpec) *types.SecurityGroupRule {
	rule := r.newRule(g, egress, spec)
	r.rules.put(tx, *rule.SecurityGroupRuleId, rule)
	r.nets.later(tx, *g.VpcId)
	return rule
}

// rulesOf returns the rules of one direction in a stable order.
func (r *region) rulesOf(groupID string, egress bool) []*types.SecurityGroupRule {
	var list []*types.SecurityGroupRule
	for _, rule := range r.index.rulesByGroup[groupID] {
		if *rule.IsEgress == egress {
			list = append(list, rule)
		}
	}
	slices.SortFunc(list, func(a, b *types.SecurityGroupRule) int {
		x, y := specOf(a), specOf(b)
		return cmp.Or(strings.Compare(x.protocol, y.protocol), cmp.Compare(x.from, y.from), cmp.Compare(x.to, y.to),
			strings.Compare(x.cidr+x.cidr6+x.group+x.prefixList, y.cidr+y.cidr6+y.group+y.prefixList), strings.Compare(*a.SecurityGroupRuleId, *b.SecurityGroupRuleId))
	})
	return list
}

// permissions groups rules by protocol and ports, as the older view of EC2 shows them.
func permissions(rules []*types.SecurityGroupRule) []types.IpPermission {
	list := []types.IpPermission{}
	for _, rule := range rules {
		spec := specOf(rule)
		i := slices.IndexFunc(list, func(p types.IpPermission) bool {
			return *p.IpProtocol == spec.protocol && or(p.FromPort, -1) == spec.from && or(p.ToPort, -1) == spec.to
		})
		if i < 0 {
			p := types.IpPermission{IpProtocol: new(spec.protocol), IpRanges: []types.IpRange{}, Ipv6Ranges: []types.Ipv6Range{},
				PrefixListIds: []types.PrefixListId{}, UserIdGroupPairs: []types.UserIdGroupPair{}}
			if spec.protocol != "-1" {
				p.FromPort, p.ToPort = new(spec.from), new(spec.to)
			}
			list, i = append(list, p), len(list)
		}
		addPeer(&list[i], rule)
	}
	return list
}

func addPeer(p *types.IpPermission, rule *types.SecurityGroupRule) {
	switch {
	case rule.CidrIpv4 != nil:
		p.IpRanges = append(p.IpRanges, types.IpRange{CidrIp: rule.CidrIpv4, Description: rule.Description})
	case rule.CidrIpv6 != nil:
		p.Ipv6Ranges = append(p.Ipv6Ranges, types.Ipv6Range{CidrIpv6: rule.CidrIpv6, Description: rule.Description})
	case rule.PrefixListId != nil:
		p.PrefixListIds = append(p.PrefixListIds, types.PrefixListId{PrefixListId: rule.PrefixListId, Description: rule.Description})
	case rule.ReferencedGroupInfo != nil:
		p.UserIdGroupPairs = append(p.UserIdGroupPairs, types.UserIdGroupPair{GroupId: rule.ReferencedGroupInfo.GroupId,
			UserId: rule.ReferencedGroupInfo.UserId, Description: rule.Description})
	}
}
