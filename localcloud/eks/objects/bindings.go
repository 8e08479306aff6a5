package objects

import (
	"context"
	"fmt"

	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// bindingLabel marks the bindings that belong to access entries.
const bindingLabel = "eks.amazonaws.com/access-entry"

// Binding gives a group a ClusterRole, in one namespace or, with an empty
// Namespace, in the whole cluster.
type Binding struct{ Name, Namespace, Role, Group string }

func (b Binding) key() string { return b.Namespace + "/" + b.Name }

// Sync makes the bindings of access entries exactly those wanted: matched ones
// stay, missing ones are created, extra and changed ones deleted.
func (c *Client) Sync(ctx context.Context, want []Binding) error {
	missing := map[string]Binding{}
	for _, w := range want {
		missing[w.key()] = w
	}
	have, err := c.list(ctx)
	if err != nil {
		return err
	}
	for _, h := range have {
		if missing[h.key()] == h {
			delete(missing, h.key())
			continue
		}
		if err := c.remove(ctx, h); err != nil {
			return err
		}
	}
	for _, w := range want {
		if _, ok := missing[w.key()]; !ok {
			continue
		}
		if err := c.create(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

func (c *Client) list(ctx context.Context) ([]Binding, error) {
	marked := metav1.ListOptions{LabelSelector: bindingLabel}
	cluster, err := c.client.RbacV1().ClusterRoleBindings().List(ctx, marked)
	if err != nil {
		return nil, fmt.Errorf("listing cluster role bindings: %w", err)
	}
	spaced, err := c.client.RbacV1().RoleBindings("").List(ctx, marked)
	if err != nil {
		return nil, fmt.Errorf("listing role bindings: %w", err)
	}
	var all []Binding
	for _, b := range cluster.Items {
		all = append(all, Binding{b.Name, "", b.RoleRef.Name, group(b.Subjects)})
	}
	for _, b := range spaced.Items {
		all = append(all, Binding{b.Name, b.Namespace, b.RoleRef.Name, group(b.Subjects)})
	}
	return all, nil
}

// group is the one group of a binding, or "" when it was tampered with.
func group(subjects []rbacv1.Subject) string {
	if len(subjects) != 1 || subjects[0].Kind != rbacv1.GroupKind {
		return ""
	}
	return subjects[0].Name
}

func (c *Client) create(ctx context.Context, w Binding) error {
	meta := metav1.ObjectMeta{Name: w.Name, Namespace: w.Namespace, Labels: map[string]string{bindingLabel: "true"}}
	subjects := []rbacv1.Subject{{Kind: rbacv1.GroupKind, APIGroup: rbacv1.GroupName, Name: w.Group}}
	ref := rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: w.Role}
	options := metav1.CreateOptions{FieldManager: fieldManager}
	var err error
	if w.Namespace == "" {
		_, err = c.client.RbacV1().ClusterRoleBindings().Create(ctx,
			&rbacv1.ClusterRoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}, options)
	} else {
		_, err = c.client.RbacV1().RoleBindings(w.Namespace).Create(ctx,
			&rbacv1.RoleBinding{ObjectMeta: meta, Subjects: subjects, RoleRef: ref}, options)
	}
	if err != nil {
		return fmt.Errorf("creating binding %s: %w", w.key(), err)
	}
	return nil
}

func (c *Client) remove(ctx context.Context, h Binding) error {
	var err error
	if h.Namespace == "" {
		err = c.client.RbacV1().ClusterRoleBindings().Delete(ctx, h.Name, metav1.DeleteOptions{})
	} else {
		err = c.client.RbacV1().RoleBindings(h.Namespace).Delete(ctx, h.Name, metav1.DeleteOptions{})
	}
	if err != nil && !apierrors.IsNotFound(err) {
		return fmt.Errorf("deleting binding %s: %w", h.key(), err)
	}
	return nil
}
