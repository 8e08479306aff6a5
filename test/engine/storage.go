package engine

import (
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
)

const csiDriver = "csi.example.com"

// classes makes a storage class for all zones and one for two of them.
func (g *generator) classes() {
	g.class("anywhere")
	g.class("two-zones", "zone-a", "zone-c")
}

func (g *generator) class(name string, allowed ...string) {
	c := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: name}, Provisioner: csiDriver}
	for _, zone := range allowed {
		c.AllowedTopologies = append(c.AllowedTopologies, corev1.TopologySelectorTerm{
			MatchLabelExpressions: []corev1.TopologySelectorLabelRequirement{{Key: corev1.LabelTopologyZone, Values: []string{zone}}}})
	}
	g.c.Storage = append(g.c.Storage, c)
}

// limitVolumes bounds the volumes that may be attached to a node.
func (g *generator) limitVolumes(node string, most int) {
	g.c.Storage = append(g.c.Storage, &storagev1.CSINode{ObjectMeta: metav1.ObjectMeta{Name: node}, Spec: storagev1.CSINodeSpec{Drivers: []storagev1.CSINodeDriver{
		{Name: csiDriver, NodeID: node, Allocatable: &storagev1.VolumeNodeResources{Count: ptr.To(int32(most))}}}}})
}

// mountNew gives a pod a volume that is made once the pod has a node.
func (g *generator) mountNew(p *corev1.Pod) {
	g.mount(p, corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To(pick(g, "anywhere", "two-zones"))})
}

// mountOld gives a pod a volume that there is in a zone.
func (g *generator) mountOld(p *corev1.Pod, zone string) {
	v := &corev1.PersistentVolume{ObjectMeta: metav1.ObjectMeta{Name: "volume-" + p.Name}}
	v.Spec.CSI = &corev1.CSIPersistentVolumeSource{Driver: csiDriver, VolumeHandle: v.Name}
	v.Spec.NodeAffinity = &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{
		{MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelTopologyZone, Operator: corev1.NodeSelectorOpIn, Values: []string{zone}}}}}}}
	g.c.Storage = append(g.c.Storage, v)
	g.mount(p, corev1.PersistentVolumeClaimSpec{StorageClassName: ptr.To("anywhere"), VolumeName: v.Name})
}

// mount gives a pod a volume claim of its own.
func (g *generator) mount(p *corev1.Pod, spec corev1.PersistentVolumeClaimSpec) {
	c := &corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: p.Namespace, Name: "data-" + p.Name}, Spec: spec}
	g.c.Storage = append(g.c.Storage, c)
	p.Spec.Volumes = append(p.Spec.Volumes, corev1.Volume{Name: "data", VolumeSource: corev1.VolumeSource{
		PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: c.Name}}})
}
