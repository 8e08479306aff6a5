package operator

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// index is a field by which Karpenter's controllers list objects.
type index struct {
	object client.Object
	field  string
	value  func(client.Object) string
}

var indexes = []index{
	{&corev1.Pod{}, "spec.nodeName", func(o client.Object) string { return o.(*corev1.Pod).Spec.NodeName }},
	{&corev1.Node{}, "spec.providerID", func(o client.Object) string { return o.(*corev1.Node).Spec.ProviderID }},
	{&storagev1.VolumeAttachment{}, "spec.nodeName", func(o client.Object) string { return o.(*storagev1.VolumeAttachment).Spec.NodeName }},
	{&karpv1.NodeClaim{}, "status.providerID", func(o client.Object) string { return o.(*karpv1.NodeClaim).Status.ProviderID }},
	{&karpv1.NodeClaim{}, "spec.nodeClassRef.group", func(o client.Object) string { return claimRef(o).Group }},
	{&karpv1.NodeClaim{}, "spec.nodeClassRef.kind", func(o client.Object) string { return claimRef(o).Kind }},
	{&karpv1.NodeClaim{}, "spec.nodeClassRef.name", func(o client.Object) string { return claimRef(o).Name }},
	{&karpv1.NodePool{}, "spec.template.spec.nodeClassRef.group", func(o client.Object) string { return poolRef(o).Group }},
	{&karpv1.NodePool{}, "spec.template.spec.nodeClassRef.kind", func(o client.Object) string { return poolRef(o).Kind }},
	{&karpv1.NodePool{}, "spec.template.spec.nodeClassRef.name", func(o client.Object) string { return poolRef(o).Name }},
}

func addIndexes(ctx context.Context, indexer client.FieldIndexer) error {
	for _, i := range indexes {
		err := indexer.IndexField(ctx, i.object, i.field, func(o client.Object) []string { return []string{i.value(o)} })
		if err != nil {
			return fmt.Errorf("indexing %T by %s: %w", i.object, i.field, err)
		}
	}
	return nil
}

func claimRef(o client.Object) karpv1.NodeClassReference {
	if ref := o.(*karpv1.NodeClaim).Spec.NodeClassRef; ref != nil {
		return *ref
	}
	return karpv1.NodeClassReference{}
}

func poolRef(o client.Object) karpv1.NodeClassReference {
	if ref := o.(*karpv1.NodePool).Spec.Template.Spec.NodeClassRef; ref != nil {
		return *ref
	}
	return karpv1.NodeClassReference{}
}
