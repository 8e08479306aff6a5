package ec2

import (
	"cmp"
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// RunInstances starts between MinCount and MaxCount instances, all in one subnet.
func (s *Service) RunInstances(ctx context.Context, in *ec2.RunInstancesInput) (*ec2.RunInstancesOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	least, most := or(in.MinCount, 0), or(in.MaxCount, 0)
	switch {
	case in.MinCount == nil:
		return nil, missing("MinCount")
	case in.MaxCount == nil:
		return nil, missing("MaxCount")
	case least < 1 || most < least:
		return nil, invalid("Value (%d) for parameter minCount is invalid. Minimum count must be at least 1 and no more than the maximum count (%d).", least, most)
	}
	l, err := s.prepare(ctx, r, in)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, l.targets(r)...); err != nil {
		return nil, err
	}
	reservation, err := r.once(str(in.ClientToken), "RunInstances", in, func(tx *txn) (string, error) {
		id := newID("r")
		started, err := r.startMany(tx, l, id, int(most))
		if len(started) < int(least) {
			return "", err
		}
		return id, nil
	})
	if err != nil {
		return nil, err
	}
	out := &ec2.RunInstancesOutput{ReservationId: new(reservation), OwnerId: new(s.account), Groups: []types.GroupIdentifier{}}
	r.view(func() {
		for _, i := range r.reservation(reservation) {
			out.Instances = append(out.Instances, r.instanceView(i))
		}
	})
	return out, nil
}

// startMany starts up to most instances; the error says why not all of them.
func (r *region) startMany(tx *txn, l *launch, reservation string, most int) (started []*instanceRow, err error) {
	now := r.svc.now()
	for n := range most {
		point := tx.save()
		if err := r.takeCapacity(tx, l); err != nil {
			return started, err
		}
		i, err := r.start(tx, l, reservation, int32(n), now)
		if err != nil {
			tx.rollbackTo(point)
			return started, err
		}
		started = append(started, i)
	}
	return started, nil
}

// reservation returns the instances that were started together, in their order.
func (r *region) reservation(id string) (list []*instanceRow) {
	for _, i := range r.instances.rows {
		if i.ReservationID == id {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(a, b *instanceRow) int {
		return cmp.Or(cmp.Compare(*a.AmiLaunchIndex, *b.AmiLaunchIndex), strings.Compare(*a.InstanceId, *b.InstanceId))
	})
	return list
}
