package state

import (
	"fmt"
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/automode-dev/automode/compute/solver"
)

// volumeClaims names the claims behind a pod's volumes.
func volumeClaims(pod *corev1.Pod) []types.NamespacedName {
	var names []types.NamespacedName
	for i := range pod.Spec.Volumes {
		v := &pod.Spec.Volumes[i]
		switch {
		case v.PersistentVolumeClaim != nil:
			names = append(names, types.NamespacedName{Namespace: pod.Namespace, Name: v.PersistentVolumeClaim.ClaimName})
		case v.Ephemeral != nil:
			names = append(names, types.NamespacedName{Namespace: pod.Namespace, Name: pod.Name + "-" + v.Name})
		}
	}
	return names
}

// volumeTopology lists the alternatives that the pod's volumes leave a node. An error says why the pod has to wait.
func (p *Picture) volumeTopology(pod *corev1.Pod) ([][]solver.Requirement, error) {
	var alternatives [][]solver.Requirement
	for _, name := range volumeClaims(pod) {
		more, err := p.claimTopology(name)
		if err != nil {
			return nil, err
		}
		alternatives = cross(alternatives, more)
	}
	return alternatives, nil
}

func (p *Picture) claimTopology(name types.NamespacedName) ([][]solver.Requirement, error) {
	claim, ok := p.volClaims[name]
	if !ok {
		return nil, fmt.Errorf("persistentvolumeclaim %q not found", name.Name)
	}
	if claim.Spec.VolumeName != "" {
		volume, ok := p.volumes[claim.Spec.VolumeName]
		if !ok {
			return nil, fmt.Errorf("persistentvolume %q of persistentvolumeclaim %q not found", claim.Spec.VolumeName, name.Name)
		}
		return volumeAffinity(volume), nil
	}
	class := storageClassName(claim)
	if class == "" {
		return nil, nil
	}
	found, ok := p.classes[class]
	if !ok {
		return nil, fmt.Errorf("storageclass %q of persistentvolumeclaim %q not found", class, name.Name)
	}
	var alternatives [][]solver.Requirement
	for _, term := range found.AllowedTopologies {
		var all []solver.Requirement
		for _, e := range term.MatchLabelExpressions {
			all = append(all, solver.Requirement{Key: nodeLabel(e.Key), Operator: corev1.NodeSelectorOpIn, Values: e.Values})
		}
		if len(all) > 0 {
			alternatives = append(alternatives, all)
		}
	}
	return alternatives, nil
}

// volumeAffinity lists the node affinity terms of a volume. Volumes that live on a node do not tie their pods to it,
// because a pod that has to be placed again leaves them behind.
func volumeAffinity(volume *corev1.PersistentVolume) [][]solver.Requirement {
	if volume.Spec.NodeAffinity == nil || volume.Spec.NodeAffinity.Required == nil {
		return nil
	}
	onNode := volume.Spec.Local != nil || volume.Spec.HostPath != nil
	var alternatives [][]solver.Requirement
	for _, term := range volume.Spec.NodeAffinity.Required.NodeSelectorTerms {
		all := []solver.Requirement{}
		for _, e := range term.MatchExpressions {
			if onNode && e.Key == corev1.LabelHostname {
				continue
			}
			all = append(all, solver.Requirement{Key: nodeLabel(e.Key), Operator: e.Operator, Values: e.Values})
		}
		if len(all) > 0 || len(term.MatchExpressions) > 0 {
			alternatives = append(alternatives, all)
		}
	}
	return alternatives
}

// cross combines two lists of alternatives; an empty list means that anything goes.
func cross(a, b [][]solver.Requirement) [][]solver.Requirement {
	if len(a) == 0 {
		return b
	}
	if len(b) == 0 {
		return a
	}
	var all [][]solver.Requirement
	for _, x := range a {
		for _, y := range b {
			all = append(all, slices.Concat(x, y))
		}
	}
	return all
}

// podVolumes lists the volumes that the pod attaches, by CSI driver. Claims that are not known are left out.
func (p *Picture) podVolumes(pod *corev1.Pod) map[string][]string {
	var volumes map[string][]string
	for _, name := range volumeClaims(pod) {
		claim, ok := p.volClaims[name]
		if !ok {
			continue
		}
		driver, id := p.driver(claim), name.String()
		if volume, ok := p.volumes[claim.Spec.VolumeName]; ok && volume.Spec.CSI != nil {
			driver, id = volume.Spec.CSI.Driver, volume.Name
		}
		if driver == "" {
			continue
		}
		if volumes == nil {
			volumes = map[string][]string{}
		}
		volumes[driver] = append(volumes[driver], id)
	}
	return volumes
}

func (p *Picture) driver(claim *corev1.PersistentVolumeClaim) string {
	if class, ok := p.classes[storageClassName(claim)]; ok {
		return class.Provisioner
	}
	return ""
}

// volumeLimits are what the node's CSI drivers report, and what its type allows for those that do not yet.
func (p *Picture) volumeLimits(m *Machine, types map[string]*solver.InstanceType) map[string]int {
	var limits map[string]int
	if it := types[m.Labels()[corev1.LabelInstanceTypeStable]]; it != nil {
		limits = it.VolumeLimits
	}
	if m.Node == nil || p.csiNodes[m.Node.Name] == nil {
		return limits
	}
	limits = maps.Clone(limits)
	if limits == nil {
		limits = map[string]int{}
	}
	for _, driver := range p.csiNodes[m.Node.Name].Spec.Drivers {
		if driver.Allocatable != nil && driver.Allocatable.Count != nil {
			limits[driver.Name] = int(*driver.Allocatable.Count)
		}
	}
	return limits
}

func storageClassName(claim *corev1.PersistentVolumeClaim) string {
	if claim.Spec.StorageClassName == nil {
		return ""
	}
	return *claim.Spec.StorageClassName
}
