package eks

import (
	"context"
	"path"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/eks/objects"
	"github.com/automode-dev/automode/localcloud/store"
)

// binding says that the group of an entry has a role, in the whole cluster
// (namespace empty) or in one namespace.
func (e *entryRecord) binding(policy, namespace string) objects.Binding {
	return objects.Binding{
		Name: "eks:access-entry:" + e.ID + ":" + policy, Namespace: namespace,
		Role: policyRoles[policy], Group: e.group(),
	}
}

// bindings are the RBAC bindings that realise the access policies of entries
// in a cluster with these namespaces. It is pure.
func bindings(entries []entryRecord, namespaces []string) []objects.Binding {
	var all []objects.Binding
	for _, e := range entries {
		for _, p := range e.Policies {
			name, ok := policyName(aws.ToString(p.PolicyArn))
			if !ok {
				continue
			}
			if p.AccessScope.Type == types.AccessScopeTypeCluster {
				all = append(all, e.binding(name, ""))
				continue
			}
			for _, ns := range namespaces {
				if slices.ContainsFunc(p.AccessScope.Namespaces, func(pattern string) bool { return matches(pattern, ns) }) {
					all = append(all, e.binding(name, ns))
				}
			}
		}
	}
	return all
}

// matches compares a namespace with a name or a pattern such as "dev-*".
func matches(pattern, namespace string) bool {
	ok, err := path.Match(pattern, namespace)
	return err == nil && ok
}

// scoped says whether any policy is limited to namespaces, so that new
// namespaces matter.
func scoped(entries []entryRecord) bool {
	return slices.ContainsFunc(entries, func(e entryRecord) bool {
		return slices.ContainsFunc(e.Policies, func(p types.AssociatedAccessPolicy) bool {
			return p.AccessScope.Type == types.AccessScopeTypeNamespace
		})
	})
}

// access makes the cluster's RBAC bindings those of its access entries.
func (w *work) access(ctx context.Context) error {
	var entries []entryRecord
	err := w.s.db.View(func(tx *store.Tx) (err error) {
		entries, err = entriesOf(tx, w.r.Region, w.r.name())
		return err
	})
	if err != nil {
		return err
	}
	if !accessEntriesOn(authenticationMode(w.r.wanted())) {
		entries = nil
	}
	client, err := w.s.connect(w.info.Admin)
	if err != nil {
		return err
	}
	var namespaces []string
	if scoped(entries) {
		if namespaces, err = client.Values(ctx, objects.NamespaceNames); err != nil {
			return err
		}
	}
	w.loop.follow(client, objects.NamespaceNames, scoped(entries))
	return client.Sync(ctx, bindings(entries, namespaces))
}

// bootstrap applies what every cluster begins with, and for Auto Mode what its
// controllers need.
func (w *work) bootstrap(ctx context.Context) error {
	files := objects.Manifests()
	if autoModeOn(w.r.wanted()) {
		files = append(files, w.s.o.Manifests...)
	}
	if !w.loop.due(files) {
		return nil
	}
	all, err := objects.Parse(files...)
	if err != nil {
		return permanent{types.ErrorCodeUnknown, err}
	}
	client, err := w.s.connect(w.info.Admin)
	if err != nil {
		return err
	}
	if err := client.Apply(ctx, all); err != nil {
		return err
	}
	w.loop.applied(files)
	return nil
}
