package ec2

import (
	"net/netip"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
)

// interfaceRow is a network interface and where it is made real.
type interfaceRow struct {
	types.NetworkInterface
	// PublicIP is the address mapped at launch; elastic addresses are rows of their own.
	PublicIP string
	// NetNS and HostName say into which namespace the interface of a control plane goes; those of instances follow
	// from the instance.
	NetNS, HostName string
}

var interfaceKind = register(&kind[interfaceRow]{
	prefix: "eni", resource: types.ResourceTypeNetworkInterface,
	absent: func(ids []string) error {
		return errorf("InvalidNetworkInterfaceID.NotFound", "%s", notExist("networkInterface", ids))
	},
	badID: func(id string) error {
		return errorf("InvalidNetworkInterfaceID.Malformed", "Invalid id: \"%s\" (expecting \"eni-...\")", id)
	},
	table:    func(r *region) *table[interfaceRow] { return r.interfaces },
	tags:     func(i *interfaceRow) []types.Tag { return i.TagSet },
	retag:    func(i *interfaceRow, tags []types.Tag) { i.TagSet = tags },
	operator: func(i *interfaceRow) *types.OperatorResponse { return i.Operator },
	filters: map[string]func(*region, *interfaceRow) []string{
		"network-interface-id":         func(_ *region, i *interfaceRow) []string { return one(i.NetworkInterfaceId) },
		"subnet-id":                    func(_ *region, i *interfaceRow) []string { return one(i.SubnetId) },
		"vpc-id":                       func(_ *region, i *interfaceRow) []string { return one(i.VpcId) },
		"availability-zone":            func(_ *region, i *interfaceRow) []string { return one(i.AvailabilityZone) },
		"status":                       func(_ *region, i *interfaceRow) []string { return []string{string(i.Status)} },
		"description":                  func(_ *region, i *interfaceRow) []string { return one(i.Description) },
		"mac-address":                  func(_ *region, i *interfaceRow) []string { return one(i.MacAddress) },
		"owner-id":                     func(_ *region, i *interfaceRow) []string { return one(i.OwnerId) },
		"requester-id":                 func(_ *region, i *interfaceRow) []string { return one(i.RequesterId) },
		"requester-managed":            func(_ *region, i *interfaceRow) []string { return []string{boolText(i.RequesterManaged)} },
		"source-dest-check":            func(_ *region, i *interfaceRow) []string { return []string{boolText(i.SourceDestCheck)} },
		"interface-type":               func(_ *region, i *interfaceRow) []string { return []string{string(i.InterfaceType)} },
		"private-dns-name":             func(_ *region, i *interfaceRow) []string { return one(i.PrivateDnsName) },
		"private-ip-address":           func(_ *region, i *interfaceRow) []string { return one(i.PrivateIpAddress) },
		"addresses.private-ip-address": func(_ *region, i *interfaceRow) []string { return i.addressTexts() },
		"group-id":                     func(_ *region, i *interfaceRow) []string { return i.groupIDs() },
		"group-name":                   func(_ *region, i *interfaceRow) []string { return i.groupNames() },
		"attachment.attachment-id":     attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string { return a.AttachmentId }),
		"attachment.instance-id":       attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string { return a.InstanceId }),
		"attachment.instance-owner-id": attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string { return a.InstanceOwnerId }),
		"attachment.status":            attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string { return new(string(a.Status)) }),
		"attachment.device-index":      attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string { return new(intText(a.DeviceIndex)) }),
		"attachment.delete-on-termination": attachmentFilter(func(a *types.NetworkInterfaceAttachment) *string {
			return new(boolText(a.DeleteOnTermination))
		}),
		"operator.managed":   func(_ *region, i *interfaceRow) []string { return operatorManaged(i.Operator) },
		"operator.principal": func(_ *region, i *interfaceRow) []string { return operatorPrincipal(i.Operator) },
	},
})

func attachmentFilter(field func(*types.NetworkInterfaceAttachment) *string) func(*region, *interfaceRow) []string {
	return func(_ *region, i *interfaceRow) []string {
		if i.Attachment == nil {
			return nil
		}
		return one(field(i.Attachment))
	}
}

// machine is the instance that the interface is attached to, or "".
func (i *interfaceRow) machine() string {
	if i.Attachment == nil {
		return ""
	}
	return str(i.Attachment.InstanceId)
}

func (i *interfaceRow) addressTexts() []string {
	texts := make([]string, 0, len(i.PrivateIpAddresses))
	for _, a := range i.PrivateIpAddresses {
		texts = append(texts, str(a.PrivateIpAddress))
	}
	return texts
}

func (i *interfaceRow) groupIDs() []string {
	ids := make([]string, 0, len(i.Groups))
	for _, g := range i.Groups {
		ids = append(ids, str(g.GroupId))
	}
	return ids
}

func (i *interfaceRow) groupNames() []string {
	names := make([]string, 0, len(i.Groups))
	for _, g := range i.Groups {
		names = append(names, str(g.GroupName))
	}
	return names
}

// secondary are the private addresses besides the primary one.
func (i *interfaceRow) secondary() []netip.Addr {
	var list []netip.Addr
	for _, a := range i.PrivateIpAddresses {
		if !value(a.Primary) {
			list = append(list, netip.MustParseAddr(*a.PrivateIpAddress))
		}
	}
	return list
}

func (i *interfaceRow) prefixes() []netip.Prefix {
	var list []netip.Prefix
	for _, p := range i.Ipv4Prefixes {
		list = append(list, netip.MustParsePrefix(*p.Ipv4Prefix))
	}
	return list
}

// slots is how many of the type's addresses per interface are used up: a prefix counts as one.
func (i *interfaceRow) slots() int { return len(i.PrivateIpAddresses) + len(i.Ipv4Prefixes) }

// occupy takes or frees what the interface has of its subnet.
func (i *interfaceRow) occupy(p *pool, take bool) {
	for _, text := range i.addressTexts() {
		p.set(netip.PrefixFrom(netip.MustParseAddr(text), 32), take)
	}
	for _, prefix := range i.prefixes() {
		p.set(prefix, take)
	}
}

// wanted is what a request asks of a new or existing interface in addresses.
type wanted struct {
	primary       string
	secondary     []string
	secondaryMore int
	prefixes      []string
	prefixesMore  int
}

func (w wanted) count() int {
	return len(w.secondary) + w.secondaryMore + len(w.prefixes) + w.prefixesMore
}

// check refuses requests that can never work.
func (w wanted) check() error {
	switch {
	case len(w.secondary) > 0 && w.secondaryMore > 0:
		return combination("You must specify only one of PrivateIpAddresses and SecondaryPrivateIpAddressCount")
	case len(w.prefixes) > 0 && w.prefixesMore > 0:
		return combination("You must specify only one of Ipv4Prefixes and Ipv4PrefixCount")
	case w.secondaryMore < 0 || w.prefixesMore < 0:
		return invalid("Counts of addresses and prefixes cannot be negative")
	}
	return nil
}

// addAddress gives the interface one more address: the given one, or any.
func (r *region) addAddress(i *interfaceRow, text string, primary bool) error {
	p := r.index.pools[*i.SubnetId]
	a, err := r.freeAddress(*i.SubnetId, text)
	if err != nil {
		return err
	}
	p.set(netip.PrefixFrom(a, 32), true)
	i.PrivateIpAddresses = append(i.PrivateIpAddresses, types.NetworkInterfacePrivateIpAddress{
		PrivateIpAddress: new(a.String()), PrivateDnsName: new(privateDNS(r.name, a)), Primary: new(primary)})
	return nil
}

func (r *region) freeAddress(subnetID, text string) (netip.Addr, error) {
	p := r.index.pools[subnetID]
	if text == "" {
		a, ok := p.address()
		if !ok {
			return a, errorf("InsufficientFreeAddressesInSubnet", "The specified subnet does not have enough free addresses to satisfy the request.")
		}
		return a, nil
	}
	a, err := netip.ParseAddr(text)
	switch {
	case err != nil:
		return a, invalid("Value (%s) for parameter privateIpAddress is invalid. Invalid IP address.", text)
	case !p.cidr.Contains(a):
		return a, invalid("Address %s does not fall within the subnet's address range", text)
	case !p.available(netip.PrefixFrom(a, 32)):
		if r.reserved(p, a) {
			return a, invalid("Address %s is in subnet's reserved address range", text)
		}
		return a, errorf("InvalidIPAddress.InUse", "Address %s is in use.", text)
	}
	return a, nil
}

func (r *region) reserved(p *pool, a netip.Addr) bool {
	n := int(toInt(a) - p.base)
	return n < 4 || n == p.size()-1
}

func (r *region) addPrefix(i *interfaceRow, text string) error {
	p := r.index.pools[*i.SubnetId]
	prefix, ok := p.prefix()
	if text != "" {
		var err error
		prefix, err = netip.ParsePrefix(text)
		if err != nil || prefix.Bits() != prefixBits || prefix != prefix.Masked() {
			return invalid("Value (%s) for parameter ipv4Prefix is invalid. A /28 prefix is expected.", text)
		}
		ok = p.available(prefix)
	}
	if !ok {
		return errorf("InsufficientCidrBlocks", "The specified subnet does not have enough free cidr blocks to satisfy the request.")
	}
	p.set(prefix, true)
	i.Ipv4Prefixes = append(i.Ipv4Prefixes, types.Ipv4PrefixSpecification{Ipv4Prefix: new(prefix.String())})
	return nil
}

// extend gives a copy of the interface what is wanted, all or nothing. The subnet's pool is left as it was: putting
// the row takes the addresses.
func (r *region) extend(i *interfaceRow, w wanted) (*interfaceRow, error) {
	next := with(i, func(i *interfaceRow) {
		i.PrivateIpAddresses, i.Ipv4Prefixes = slices.Clone(i.PrivateIpAddresses), slices.Clone(i.Ipv4Prefixes)
	})
	err := r.fill(next, w)
	p := r.index.pools[*i.SubnetId]
	next.occupy(p, false)
	i.occupy(p, true)
	return next, err
}

func (r *region) fill(i *interfaceRow, w wanted) error {
	if len(i.PrivateIpAddresses) == 0 {
		if err := r.addAddress(i, w.primary, true); err != nil {
			return err
		}
		i.PrivateIpAddress, i.PrivateDnsName = i.PrivateIpAddresses[0].PrivateIpAddress, i.PrivateIpAddresses[0].PrivateDnsName
	}
	for _, text := range append(slices.Clone(w.secondary), make([]string, w.secondaryMore)...) {
		if err := r.addAddress(i, text, false); err != nil {
			return err
		}
	}
	for _, text := range append(slices.Clone(w.prefixes), make([]string, w.prefixesMore)...) {
		if err := r.addPrefix(i, text); err != nil {
			return err
		}
	}
	return nil
}

// roomFor checks the limit of addresses per interface of the instance's type.
func (r *region) roomFor(i *interfaceRow, more int) error {
	inst := r.instances.get(i.machine())
	if inst == nil {
		return nil
	}
	t, _ := r.svc.catalog.Type(string(inst.InstanceType))
	if i.slots()+more > t.Network.IPv4PerInterface {
		return errorf("PrivateIpAddressLimitExceeded", "The maximum number of private IP addresses or prefixes per network interface (%d) for instance type %s would be exceeded for %s.",
			t.Network.IPv4PerInterface, t.Name, *i.NetworkInterfaceId)
	}
	return nil
}

// maxInterfaces is how many interfaces a type's default card takes.
func maxInterfaces(t *catalog.Type) int {
	if len(t.Network.Cards) > 0 && t.Network.Cards[0].Interfaces > 0 {
		return t.Network.Cards[0].Interfaces
	}
	return t.Network.Interfaces
}
