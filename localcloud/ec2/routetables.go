package ec2

import (
	"context"
	"slices"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

var routeTableKind = register(&kind[types.RouteTable]{
	prefix: "rtb", resource: types.ResourceTypeRouteTable,
	absent: func(ids []string) error {
		return errorf("InvalidRouteTableID.NotFound", "%s", notExist("routeTable", ids))
	},
	table: func(r *region) *table[types.RouteTable] { return r.tables },
	tags:  func(t *types.RouteTable) []types.Tag { return t.Tags },
	retag: func(t *types.RouteTable, tags []types.Tag) { t.Tags = tags },
	filters: map[string]func(*region, *types.RouteTable) []string{
		"route-table-id":                         func(_ *region, t *types.RouteTable) []string { return one(t.RouteTableId) },
		"vpc-id":                                 func(_ *region, t *types.RouteTable) []string { return one(t.VpcId) },
		"owner-id":                               func(_ *region, t *types.RouteTable) []string { return one(t.OwnerId) },
		"association.subnet-id":                  associationFilter(func(a types.RouteTableAssociation) *string { return a.SubnetId }),
		"association.gateway-id":                 associationFilter(func(a types.RouteTableAssociation) *string { return a.GatewayId }),
		"association.route-table-id":             associationFilter(func(a types.RouteTableAssociation) *string { return a.RouteTableId }),
		"association.main":                       associationFilter(func(a types.RouteTableAssociation) *string { return new(boolText(a.Main)) }),
		"association.route-table-association-id": associationFilter(func(a types.RouteTableAssociation) *string { return a.RouteTableAssociationId }),
		"route.destination-cidr-block":           routeFilter(func(r types.Route) *string { return r.DestinationCidrBlock }),
		"route.gateway-id":                       routeFilter(func(r types.Route) *string { return r.GatewayId }),
		"route.nat-gateway-id":                   routeFilter(func(r types.Route) *string { return r.NatGatewayId }),
		"route.instance-id":                      routeFilter(func(r types.Route) *string { return r.InstanceId }),
		"route.state":                            routeFilter(func(r types.Route) *string { return new(string(r.State)) }),
		"route.origin":                           routeFilter(func(r types.Route) *string { return new(string(r.Origin)) }),
	},
})

func associationFilter(field func(types.RouteTableAssociation) *string) func(*region, *types.RouteTable) []string {
	return func(_ *region, t *types.RouteTable) (values []string) {
		for _, a := range t.Associations {
			values = append(values, one(field(a))...)
		}
		return values
	}
}

func routeFilter(field func(types.Route) *string) func(*region, *types.RouteTable) []string {
	return func(_ *region, t *types.RouteTable) (values []string) {
		for _, r := range t.Routes {
			values = append(values, one(field(r))...)
		}
		return values
	}
}

func isMain(t *types.RouteTable) bool {
	return slices.ContainsFunc(t.Associations, func(a types.RouteTableAssociation) bool { return value(a.Main) })
}

// mainTable returns the main route table of a VPC.
func (r *region) mainTable(vpcID string) *types.RouteTable {
	for _, t := range r.tables.rows {
		if str(t.VpcId) == vpcID && isMain(t) {
			return t
		}
	}
	return nil
}

// tableOf returns the route table in force for a subnet.
func (r *region) tableOf(sub *types.Subnet) *types.RouteTable {
	for _, t := range r.tables.rows {
		for _, a := range t.Associations {
			if str(a.SubnetId) == *sub.SubnetId {
				return t
			}
		}
	}
	return r.mainTable(*sub.VpcId)
}

func association(tableID string, subnetID *string, main bool) types.RouteTableAssociation {
	return types.RouteTableAssociation{
		RouteTableAssociationId: new(newID("rtbassoc")), RouteTableId: new(tableID), SubnetId: subnetID, Main: new(main),
		AssociationState: &types.RouteTableAssociationState{State: types.RouteTableAssociationStateCodeAssociated},
	}
}

func (r *region) createRouteTable(tx *txn, v *vpcRow, tags []types.Tag, main bool) *types.RouteTable {
	t := &types.RouteTable{RouteTableId: new(newID("rtb")), VpcId: v.VpcId, OwnerId: v.OwnerId, Tags: tags,
		Associations: []types.RouteTableAssociation{}, PropagatingVgws: []types.PropagatingVgw{}}
	for _, cidr := range v.cidrTexts() {
		t.Routes = append(t.Routes, localRoute(cidr))
	}
	if main {
		t.Associations = []types.RouteTableAssociation{association(*t.RouteTableId, nil, true)}
	}
	r.tables.put(tx, *t.RouteTableId, t)
	return t
}

// CreateRouteTable makes a route table with the VPC's local routes.
func (s *Service) CreateRouteTable(ctx context.Context, in *ec2.CreateRouteTableInput) (*ec2.CreateRouteTableOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeRouteTable); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeRouteTable)
	targets, err := targetsOf(r, vpcKind, str(in.VpcId))
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, append(targets, created(r, types.ResourceTypeRouteTable, tags))...); err != nil {
		return nil, err
	}
	var t *types.RouteTable
	err = r.update(func(tx *txn) error {
		v, err := vpcKind.find(r, str(in.VpcId))
		if err == nil {
			t = r.createRouteTable(tx, v, tags, false)
		}
		return err
	})
	return &ec2.CreateRouteTableOutput{RouteTable: t, ClientToken: in.ClientToken}, err
}

// DescribeRouteTables lists route tables with their routes and associations.
func (s *Service) DescribeRouteTables(ctx context.Context, in *ec2.DescribeRouteTablesInput) (*ec2.DescribeRouteTablesOutput, error) {
	_, rows, next, err := describe(ctx, s, routeTableKind, query{ids: in.RouteTableIds, filters: in.Filters,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 5, max: 100})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeRouteTablesOutput{NextToken: next}
	for _, t := range rows {
		out.RouteTables = append(out.RouteTables, *t)
	}
	return out, nil
}

// DeleteRouteTable removes a route table that no subnet uses.
func (s *Service) DeleteRouteTable(ctx context.Context, in *ec2.DeleteRouteTableInput) (*ec2.DeleteRouteTableOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	id := str(in.RouteTableId)
	if err := authorizeOn(ctx, s, r, in.DryRun, routeTableKind, id); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		t, err := routeTableKind.find(r, id)
		if err != nil {
			return err
		}
		if len(t.Associations) > 0 {
			return dependency("The routeTable '%s' has dependencies and cannot be deleted.", id)
		}
		r.tables.drop(tx, id)
		return nil
	})
	return &ec2.DeleteRouteTableOutput{}, err
}

// AssociateRouteTable makes a route table the one of a subnet.
func (s *Service) AssociateRouteTable(ctx context.Context, in *ec2.AssociateRouteTableInput) (*ec2.AssociateRouteTableOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if in.SubnetId == nil {
		return nil, missing("subnetId")
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, routeTableKind, str(in.RouteTableId)); err != nil {
		return nil, err
	}
	var a types.RouteTableAssociation
	err = r.update(func(tx *txn) error {
		t, err := routeTableKind.find(r, str(in.RouteTableId))
		if err != nil {
			return err
		}
		sub, err := subnetKind.find(r, *in.SubnetId)
		if err != nil {
			return err
		}
		if str(sub.VpcId) != str(t.VpcId) {
			return invalid("Route table %s and subnet %s belong to different networks", *t.RouteTableId, *in.SubnetId)
		}
		if now := r.tableOf(sub); now != nil && !isMainOnly(now, *in.SubnetId) {
			if *now.RouteTableId != *t.RouteTableId {
				return errorf("Resource.AlreadyAssociated", "the specified association for route table %s conflicts with an existing association", *t.RouteTableId)
			}
			a = t.Associations[slices.IndexFunc(t.Associations, func(a types.RouteTableAssociation) bool { return str(a.SubnetId) == *in.SubnetId })]
			return nil
		}
		a = association(*t.RouteTableId, in.SubnetId, false)
		r.associate(tx, t, a)
		return nil
	})
	return &ec2.AssociateRouteTableOutput{AssociationId: a.RouteTableAssociationId, AssociationState: a.AssociationState}, err
}

// isMainOnly says whether the subnet uses the table only because it is the main one.
func isMainOnly(t *types.RouteTable, subnetID string) bool {
	return !slices.ContainsFunc(t.Associations, func(a types.RouteTableAssociation) bool { return str(a.SubnetId) == subnetID })
}

func (r *region) associate(tx *txn, t *types.RouteTable, a types.RouteTableAssociation) {
	r.tables.put(tx, *t.RouteTableId, with(t, func(t *types.RouteTable) { t.Associations = append(slices.Clone(t.Associations), a) }))
	r.nets.later(tx, *t.VpcId)
}

func (r *region) disassociate(tx *txn, t *types.RouteTable, associationID string) {
	r.tables.put(tx, *t.RouteTableId, with(t, func(t *types.RouteTable) {
		t.Associations = without(t.Associations, func(a types.RouteTableAssociation) bool { return *a.RouteTableAssociationId == associationID })
	}))
	r.nets.later(tx, *t.VpcId)
}

// findAssociation returns an association and its table.
func (r *region) findAssociation(id string) (*types.RouteTable, types.RouteTableAssociation, error) {
	for _, t := range r.tables.rows {
		for _, a := range t.Associations {
			if *a.RouteTableAssociationId == id {
				return t, a, nil
			}
		}
	}
	return nil, types.RouteTableAssociation{}, errorf("InvalidAssociationID.NotFound", "The association ID '%s' does not exist", id)
}

// DisassociateRouteTable gives the subnet back to the main route table.
func (s *Service) DisassociateRouteTable(ctx context.Context, in *ec2.DisassociateRouteTableInput) (*ec2.DisassociateRouteTableOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	err = r.update(func(tx *txn) error {
		t, a, err := r.findAssociation(str(in.AssociationId))
		if err != nil {
			return err
		}
		if value(a.Main) {
			return invalid("cannot disassociate the main route table association %s", *in.AssociationId)
		}
		r.disassociate(tx, t, *a.RouteTableAssociationId)
		return nil
	})
	return &ec2.DisassociateRouteTableOutput{}, err
}

// ReplaceRouteTableAssociation moves a subnet, or the VPC's main association, to another route table.
func (s *Service) ReplaceRouteTableAssociation(ctx context.Context, in *ec2.ReplaceRouteTableAssociationInput) (*ec2.ReplaceRouteTableAssociationOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := authorizeOn(ctx, s, r, in.DryRun, routeTableKind, str(in.RouteTableId)); err != nil {
		return nil, err
	}
	var a types.RouteTableAssociation
	err = r.update(func(tx *txn) error {
		from, old, err := r.findAssociation(str(in.AssociationId))
		if err != nil {
			return err
		}
		if *from.RouteTableId == *in.RouteTableId {
			a = old
			return nil
		}
		r.disassociate(tx, from, *old.RouteTableAssociationId)
		to, err := routeTableKind.find(r, *in.RouteTableId)
		if err != nil {
			return err
		}
		a = association(*to.RouteTableId, old.SubnetId, value(old.Main))
		r.associate(tx, to, a)
		return nil
	})
	return &ec2.ReplaceRouteTableAssociationOutput{NewAssociationId: a.RouteTableAssociationId, AssociationState: a.AssociationState}, err
}
