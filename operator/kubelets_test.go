package operator

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	nodev1alpha1 "github.com/automode-dev/automode/api/node/v1alpha1"
)

// kubelets play the part of the nodes: each instance that a claim names registers a node as its user data says, and the
// pods on it run and end.
type kubelets struct {
	*testCluster
	mu       sync.Mutex
	userData map[string]nodev1alpha1.NodeConfig
	// hold keeps new instances from registering.
	hold bool
}

func startKubelets(c *testCluster) *kubelets {
	k := &kubelets{testCluster: c, userData: map[string]nodev1alpha1.NodeConfig{}}
	done := make(chan struct{})
	ctx, stop := context.WithCancel(c.ctx)
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			k.registerNodes(ctx)
			k.renewLeases(ctx)
			k.runPods(ctx)
			time.Sleep(200 * time.Millisecond)
		}
	}()
	c.Cleanup(func() { stop(); <-done })
	return k
}

func (k *kubelets) holding(hold bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.hold = hold
}

func (k *kubelets) registerNodes(ctx context.Context) {
	k.mu.Lock()
	hold := k.hold
	k.mu.Unlock()
	claims := &karpv1.NodeClaimList{}
	if hold || k.admin.List(ctx, claims) != nil {
		return
	}
	for _, claim := range claims.Items {
		if claim.Status.ProviderID == "" || claim.Status.NodeName != "" || !claim.DeletionTimestamp.IsZero() {
			continue
		}
		id := claim.Status.ProviderID[strings.LastIndex(claim.Status.ProviderID, "/")+1:]
		config, err := k.config(ctx, id)
		if err != nil {
			continue
		}
		node := &corev1.Node{ObjectMeta: metav1.ObjectMeta{Name: id, Labels: flagLabels(config)}}
		node.Labels[corev1.LabelHostname] = id
		node.Spec = corev1.NodeSpec{ProviderID: claim.Status.ProviderID, Taints: configTaints(config)}
		if err := k.admin.Create(ctx, node); err != nil {
			if !apierrors.IsAlreadyExists(err) {
				k.Logf("registering node %s: %v", id, err)
			}
			continue
		}
	}
	k.reportReady(ctx, claims.Items)
}

// reportReady gives nodes what their claims promise, and makes them ready.
func (k *kubelets) reportReady(ctx context.Context, claims []karpv1.NodeClaim) {
	for _, claim := range claims {
		node := &corev1.Node{}
		id := claim.Status.ProviderID[strings.LastIndex(claim.Status.ProviderID, "/")+1:]
		if id == "" || k.admin.Get(ctx, client.ObjectKey{Name: id}, node) != nil {
			continue
		}
		if slices.ContainsFunc(node.Status.Conditions, func(c corev1.NodeCondition) bool {
			return c.Type == corev1.NodeReady && c.Status == corev1.ConditionTrue
		}) {
			continue
		}
		node.Status.Capacity = claim.Status.Capacity
		node.Status.Allocatable = claim.Status.Allocatable
		node.Status.Conditions = []corev1.NodeCondition{{
			Type: corev1.NodeReady, Status: corev1.ConditionTrue, Reason: "KubeletReady", LastHeartbeatTime: metav1.Now(), LastTransitionTime: metav1.Now(),
		}}
		_ = k.admin.Status().Update(ctx, node) // tried again when it lost a race
	}
}

// renewLeases keeps the nodes from being taken for dead.
func (k *kubelets) renewLeases(ctx context.Context) {
	nodes := &corev1.NodeList{}
	if k.admin.List(ctx, nodes) != nil {
		return
	}
	for _, node := range nodes.Items {
		lease := &coordinationv1.Lease{}
		key := client.ObjectKey{Namespace: corev1.NamespaceNodeLease, Name: node.Name}
		switch err := k.admin.Get(ctx, key, lease); {
		case apierrors.IsNotFound(err):
			lease.Namespace, lease.Name = key.Namespace, key.Name
			lease.Spec = coordinationv1.LeaseSpec{HolderIdentity: &key.Name, LeaseDurationSeconds: ptr.To(int32(40)), RenewTime: &metav1.MicroTime{Time: time.Now()}}
			_ = k.admin.Create(ctx, lease)
		case err == nil && time.Since(lease.Spec.RenewTime.Time) > 5*time.Second:
			lease.Spec.RenewTime = &metav1.MicroTime{Time: time.Now()}
			_ = k.admin.Update(ctx, lease)
		}
	}
}

// config is the node configuration in the instance's user data.
func (k *kubelets) config(ctx context.Context, id string) (nodev1alpha1.NodeConfig, error) {
	k.mu.Lock()
	config, known := k.userData[id]
	k.mu.Unlock()
	if known {
		return config, nil
	}
	document, err := k.cloud.ec2.Metadata(ctx, id)
	if err != nil {
		return nodev1alpha1.NodeConfig{}, err
	}
	config, err = nodev1alpha1.ParseUserData(document.UserData)
	if err != nil {
		k.Errorf("user data of %s: %v\n%s", id, err, document.UserData)
		return config, err
	}
	k.mu.Lock()
	k.userData[id] = config
	k.mu.Unlock()
	return config, nil
}

func (k *kubelets) runPods(ctx context.Context) {
	pods := &corev1.PodList{}
	if k.admin.List(ctx, pods) != nil {
		return
	}
	for i := range pods.Items {
		pod := &pods.Items[i]
		switch {
		case pod.Spec.NodeName == "":
		case !pod.DeletionTimestamp.IsZero():
			now := int64(0)
			_ = k.admin.Delete(ctx, pod, &client.DeleteOptions{GracePeriodSeconds: &now})
		case pod.Status.Phase == corev1.PodPending:
			pod.Status.Phase = corev1.PodRunning
			pod.Status.Conditions = append(pod.Status.Conditions, corev1.PodCondition{Type: corev1.PodReady, Status: corev1.ConditionTrue})
			_ = k.admin.Status().Update(ctx, pod)
		}
	}
}

func flagLabels(config nodev1alpha1.NodeConfig) map[string]string {
	labels := map[string]string{}
	for _, flag := range config.Spec.Kubelet.Flags {
		list, ok := strings.CutPrefix(flag, "--node-labels=")
		if !ok {
			continue
		}
		for _, pair := range strings.Split(list, ",") {
			key, value, _ := strings.Cut(pair, "=")
			labels[key] = value
		}
	}
	return labels
}

func configTaints(config nodev1alpha1.NodeConfig) []corev1.Taint {
	var taints []corev1.Taint
	if raw, ok := config.Spec.Kubelet.Config["registerWithTaints"]; ok {
		_ = json.Unmarshal(raw.Raw, &taints)
	}
	return taints
}

// lockedBuffer is a log that is written by one goroutine and read by another.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) tail(n int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.buf.String()
	return s[max(0, len(s)-n):]
}
