package eks

import (
	"context"
	"fmt"
	"slices"

	"github.com/automode-dev/automode/localcloud/eks/objects"
	"github.com/automode-dev/automode/localcloud/store"
)

// nodeRoles gives the role of every NodeClass an access entry of type EC2 with
// AmazonEKSAutoNodePolicy, so that nodes of a custom class join without the
// user making the entry first. An entry that exists for the role, whoever made
// it, stays as it is; entries are not taken away with the class.
func (w *work) nodeRoles(ctx context.Context) error {
	want := w.r.wanted()
	client, err := w.s.connect(w.info.Admin)
	if err != nil {
		return err
	}
	on := autoModeOn(want) && accessEntriesOn(authenticationMode(want))
	w.loop.follow(client, objects.NodeRoles, on)
	if !on {
		return nil
	}
	names, err := client.Values(ctx, objects.NodeRoles)
	if err != nil {
		return err
	}
	for _, name := range names {
		if err := w.admitNodeRole(ctx, "arn:aws:iam::"+w.r.Account+":role/"+name); err != nil {
			return fmt.Errorf("admitting node role %s: %w", name, err)
		}
	}
	return nil
}

func (w *work) admitNodeRole(ctx context.Context, arn string) error {
	exists, err := w.s.o.Roles.PrincipalExists(ctx, arn)
	if err != nil || !exists {
		return err
	}
	return w.s.db.Update(func(tx *store.Tx) error {
		entries, err := entriesOf(tx, w.r.Region, w.r.name())
		if err != nil {
			return err
		}
		if slices.ContainsFunc(entries, func(e entryRecord) bool { return samePrincipal(*e.Entry.PrincipalArn, arn) }) {
			return nil
		}
		e := w.s.newEntry(w.r, arn, typeEC2, onlyForNodes)
		return store.Put(tx, bucketEntries, e.key(), e)
	})
}
