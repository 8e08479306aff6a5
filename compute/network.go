package compute

// Selector chooses subnets or security groups: by id, by group name, or by tags. The tag value "*" accepts any value.
type Selector struct {
	ID   string
	Name string
	Tags map[string]string
}

// Subnet is a place for nodes.
type Subnet struct {
	ID     string
	VPCID  string
	CIDR   string
	Zone   string // us-east-1a
	ZoneID string // use1-az1
	// FreeAddresses is the number of addresses not in use.
	FreeAddresses int
	// PublicByDefault tells whether instances get a public address unless told otherwise.
	PublicByDefault bool
}

// SecurityGroup is a set of firewall rules for nodes.
type SecurityGroup struct {
	ID   string
	Name string
}
