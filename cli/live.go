package cli

import (
	"context"
	"fmt"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	policyv1 "k8s.io/api/policy/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/util/retry"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute/instancetypes"
	"github.com/automode-dev/automode/compute/nodes/bulletin"
	"github.com/automode-dev/automode/compute/plan"
	"github.com/automode-dev/automode/operator"
)

// kubeClient talks to the cluster of a context of the user's kubeconfig; "" and "-" stand for the current one.
func kubeClient(kubeContext string) (client.Client, error) {
	overrides := &clientcmd.ConfigOverrides{}
	if kubeContext != "-" {
		overrides.CurrentContext = kubeContext
	}
	config, err := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(clientcmd.NewDefaultClientConfigLoadingRules(), overrides).ClientConfig()
	if err != nil {
		return nil, fail(BadConfig, "reading the kubeconfig: %w", err)
	}
	config.QPS, config.Burst = 100, 200
	scheme := clientgoscheme.Scheme // Karpenter's types add themselves to it
	if err := eksv1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("adding types to the scheme: %w", err)
	}
	c, err := client.New(config, client.Options{Scheme: scheme})
	if err != nil {
		return nil, &Failure{ID: CloudUnreachable, Err: fmt.Errorf("connecting to the cluster at %s: %w", config.Host, err)}
	}
	return c, nil
}

// onCluster puts a scenario on top of a live cluster: its objects, its region where that is asked for, and what its
// controllers know.
func onCluster(ctx context.Context, c client.Client, scenario *plan.Scenario, region bool) error {
	var err error
	if scenario.Live, err = listObjects(ctx, c); err != nil {
		return err
	}
	if found := plan.RegionOf(scenario.Live); found != "" && region {
		scenario.Region = found
	}
	known, err := readBulletin(ctx, c)
	if err != nil {
		return err
	}
	shortages := instancetypes.NewShortages(clock.RealClock{})
	shortages.Restore(known.Shortages)
	scenario.Blocked, scenario.Disruption, scenario.ComparePools = shortages.Blocked, known.Disruption, known.ComparePools
	return nil
}

// readBulletin reads what the cluster's controllers tell of themselves; nothing where there is nothing, or where the user
// may not see it.
func readBulletin(ctx context.Context, c client.Client) (operator.Bulletin, error) {
	object := &corev1.ConfigMap{}
	err := c.Get(ctx, client.ObjectKey{Namespace: bulletin.Namespace, Name: bulletin.Name}, object)
	if apierrors.IsNotFound(err) || apierrors.IsForbidden(err) {
		return operator.Bulletin{}, nil
	}
	if err != nil {
		return operator.Bulletin{}, &Failure{ID: CloudUnreachable, Err: fmt.Errorf("reading what the controllers tell: %w", err)}
	}
	known, err := operator.ReadBulletin(object.Data)
	if err != nil {
		return operator.Bulletin{}, &Failure{ID: BadConfig, Advice: "the controllers write it anew when they restart", Err: fmt.Errorf("ConfigMap %s/%s: %w", bulletin.Namespace, bulletin.Name, err)}
	}
	return known, nil
}

// listObjects reads everything of a cluster that decisions depend on.
func listObjects(ctx context.Context, c client.Client) ([]client.Object, error) {
	objects := []client.Object{}
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &corev1.NodeList{}, &corev1.PodList{}, &corev1.PersistentVolumeList{}, &corev1.PersistentVolumeClaimList{},
		&appsv1.DaemonSetList{}, &storagev1.StorageClassList{}, &storagev1.CSINodeList{},
		&policyv1.PodDisruptionBudgetList{}, &karpv1.NodePoolList{}, &karpv1.NodeClaimList{}, &eksv1.NodeClassList{},
	} {
		err := listPatiently(ctx, c, list)
		if meta.IsNoMatchError(err) {
			return nil, fail(NotFound, "the cluster has no %T: Auto Mode is not enabled in it", list)
		}
		if apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) {
			return nil, &Failure{ID: AccessDenied, Err: fmt.Errorf("reading the cluster: %w", err)}
		}
		if err != nil {
			return nil, &Failure{ID: CloudUnreachable, Err: fmt.Errorf("reading the cluster: %w", err)}
		}
		err = meta.EachListItem(list, func(o runtime.Object) error {
			objects = append(objects, o.(client.Object))
			return nil
		})
		if err != nil {
			return nil, fmt.Errorf("reading the cluster: %w", err)
		}
	}
	return objects, nil
}

// busy is how often and how long an API server that is behind is asked again: about half a minute.
var busy = wait.Backoff{Steps: 6, Duration: time.Second, Factor: 2}

// listPatiently asks again where the API server has no answer in time, as its caches have none for a while after much has
// changed at once.
func listPatiently(ctx context.Context, c client.Client, list client.ObjectList) error {
	again := func(err error) bool {
		return ctx.Err() == nil && (apierrors.IsTimeout(err) || apierrors.IsServerTimeout(err) || apierrors.IsTooManyRequests(err))
	}
	return retry.OnError(busy, again, func() error { return c.List(ctx, list) })
}
