package state

import (
	"maps"
	"sync"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	podutils "sigs.k8s.io/karpenter/pkg/utils/pod"
)

// Picture holds the objects that decisions depend on. It is safe for concurrent use.
type Picture struct {
	mu sync.RWMutex
	objects
	expected  map[string]*karpv1.NodeClaim // claims that the watch has not come to, by name
	seenClaim string                       // the newest version of a claim that the watch has shown
}

// objects are the tables of a Picture. Objects in them are shared and never changed.
type objects struct {
	pods       map[types.NamespacedName]*corev1.Pod // finished ones left out
	bound      map[string]map[types.NamespacedName]*corev1.Pod
	unbound    map[types.NamespacedName]*corev1.Pod
	nodes      map[string]*corev1.Node
	claims     map[string]*karpv1.NodeClaim
	nodeByID   map[string]string // provider id -> name
	claimByID  map[string]string
	pools      map[string]*karpv1.NodePool
	daemonSets map[types.NamespacedName]*appsv1.DaemonSet
	namespaces map[string]*corev1.Namespace
	volumes    map[string]*corev1.PersistentVolume
	volClaims  map[types.NamespacedName]*corev1.PersistentVolumeClaim
	classes    map[string]*storagev1.StorageClass
	csiNodes   map[string]*storagev1.CSINode
}

// NewPicture is empty.
func NewPicture() *Picture {
	return &Picture{expected: map[string]*karpv1.NodeClaim{}, objects: objects{
		pods: map[types.NamespacedName]*corev1.Pod{}, bound: map[string]map[types.NamespacedName]*corev1.Pod{}, unbound: map[types.NamespacedName]*corev1.Pod{},
		nodes: map[string]*corev1.Node{}, claims: map[string]*karpv1.NodeClaim{}, nodeByID: map[string]string{}, claimByID: map[string]string{},
		pools: map[string]*karpv1.NodePool{}, daemonSets: map[types.NamespacedName]*appsv1.DaemonSet{}, namespaces: map[string]*corev1.Namespace{},
		volumes: map[string]*corev1.PersistentVolume{}, volClaims: map[types.NamespacedName]*corev1.PersistentVolumeClaim{},
		classes: map[string]*storagev1.StorageClass{}, csiNodes: map[string]*storagev1.CSINode{},
	}}
}

// Clone is a picture of its own with the same objects, for what-ifs.
func (p *Picture) Clone() *Picture {
	p.mu.RLock()
	defer p.mu.RUnlock()
	o := p.objects
	c := objects{
		pods: maps.Clone(o.pods), bound: make(map[string]map[types.NamespacedName]*corev1.Pod, len(o.bound)), unbound: maps.Clone(o.unbound),
		nodes: maps.Clone(o.nodes), claims: maps.Clone(o.claims), nodeByID: maps.Clone(o.nodeByID), claimByID: maps.Clone(o.claimByID),
		pools: maps.Clone(o.pools), daemonSets: maps.Clone(o.daemonSets), namespaces: maps.Clone(o.namespaces),
		volumes: maps.Clone(o.volumes), volClaims: maps.Clone(o.volClaims), classes: maps.Clone(o.classes), csiNodes: maps.Clone(o.csiNodes),
	}
	for node, pods := range o.bound {
		c.bound[node] = maps.Clone(pods)
	}
	return &Picture{expected: maps.Clone(p.expected), seenClaim: p.seenClaim, objects: c}
}

// Set takes an object in, or its newer version. Kinds that no decision depends on are ignored.
func (p *Picture) Set(object client.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	switch o := object.(type) {
	case *corev1.Pod:
		p.setPod(key, o)
	case *corev1.Node:
		p.nodes[o.Name] = o
		if o.Spec.ProviderID != "" {
			p.nodeByID[o.Spec.ProviderID] = o.Name
		}
	case *karpv1.NodeClaim:
		p.setClaim(o)
		p.sawClaim(o)
	case *karpv1.NodePool:
		p.pools[o.Name] = o
	case *appsv1.DaemonSet:
		p.daemonSets[key] = o
	case *corev1.Namespace:
		p.namespaces[o.Name] = o
	case *corev1.PersistentVolume:
		p.volumes[o.Name] = o
	case *corev1.PersistentVolumeClaim:
		p.volClaims[key] = o
	case *storagev1.StorageClass:
		p.classes[o.Name] = o
	case *storagev1.CSINode:
		p.csiNodes[o.Name] = o
	}
}

// Delete takes an object out. One that is not there is fine.
func (p *Picture) Delete(object client.Object) {
	p.mu.Lock()
	defer p.mu.Unlock()
	key := client.ObjectKeyFromObject(object)
	switch o := object.(type) {
	case *corev1.Pod:
		p.dropPod(key)
	case *corev1.Node:
		delete(p.nodes, o.Name)
		forget(p.nodeByID, o.Spec.ProviderID, o.Name)
	case *karpv1.NodeClaim:
		p.dropClaim(o)
		p.sawClaim(o)
	case *karpv1.NodePool:
		delete(p.pools, o.Name)
	case *appsv1.DaemonSet:
		delete(p.daemonSets, key)
	case *corev1.Namespace:
		delete(p.namespaces, o.Name)
	case *corev1.PersistentVolume:
		delete(p.volumes, o.Name)
	case *corev1.PersistentVolumeClaim:
		delete(p.volClaims, key)
	case *storagev1.StorageClass:
		delete(p.classes, o.Name)
	case *storagev1.CSINode:
		delete(p.csiNodes, o.Name)
	}
}

func (p *Picture) setClaim(claim *karpv1.NodeClaim) {
	p.claims[claim.Name] = claim
	if claim.Status.ProviderID != "" {
		p.claimByID[claim.Status.ProviderID] = claim.Name
	}
}

func (p *Picture) dropClaim(claim *karpv1.NodeClaim) {
	delete(p.claims, claim.Name)
	forget(p.claimByID, claim.Status.ProviderID, claim.Name)
}

func forget(names map[string]string, id, name string) {
	if names[id] == name {
		delete(names, id)
	}
}

func (p *Picture) setPod(key types.NamespacedName, pod *corev1.Pod) {
	p.dropPod(key)
	if podutils.IsTerminal(pod) {
		return
	}
	p.pods[key] = pod
	if pod.Spec.NodeName == "" {
		p.unbound[key] = pod
		return
	}
	if p.bound[pod.Spec.NodeName] == nil {
		p.bound[pod.Spec.NodeName] = map[types.NamespacedName]*corev1.Pod{}
	}
	p.bound[pod.Spec.NodeName][key] = pod
}

func (p *Picture) dropPod(key types.NamespacedName) {
	old, ok := p.pods[key]
	if !ok {
		return
	}
	delete(p.pods, key)
	delete(p.unbound, key)
	if on := p.bound[old.Spec.NodeName]; on != nil {
		delete(on, key)
		if len(on) == 0 {
			delete(p.bound, old.Spec.NodeName)
		}
	}
}
