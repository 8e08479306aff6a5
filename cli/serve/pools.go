package serve

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"path/filepath"
	"strings"
	"time"

	"github.com/awslabs/operatorpkg/status"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	"github.com/automode-dev/automode/operator"
)

// poolsTimeout is how long the API server may take to tell of the NodePools.
const poolsTimeout = 3 * time.Second

// poolsCondition tells whether the built-in NodePools of a cluster can have nodes. They are the first thing that the
// controllers make, so it also tells that these work.
func (c controllers) poolsCondition(ctx context.Context, name string) Condition {
	problem := ""
	if err := c.checkPools(ctx, name); err != nil {
		problem = err.Error()
	}
	return condition("cluster "+name, "node pools", problem, time.Time{})
}

func (c controllers) checkPools(ctx context.Context, name string) error {
	dir := filepath.Join(c.dir.Cluster(name), "controller")
	config, err := operator.LoadConfig(filepath.Join(dir, "config.yaml"), "")
	if err != nil || len(config.Compute.NodePools) == 0 {
		return err
	}
	kube, err := clientcmd.BuildConfigFromFlags("", filepath.Join(dir, "kubeconfig"))
	if err != nil {
		return fmt.Errorf("reading the controllers' kubeconfig: %w", err)
	}
	pools, err := listPools(ctx, kube)
	if err != nil {
		return fmt.Errorf("listing NodePools: %w", err)
	}
	var wrong []error
	for _, pool := range config.Compute.NodePools {
		wrong = append(wrong, checkPool(pools[pool], pool))
	}
	return errors.Join(wrong...)
}

// checkPool says why a NodePool cannot have nodes. The pool may be nil.
func checkPool(pool *karpv1.NodePool, name string) error {
	if pool == nil {
		return fmt.Errorf("NodePool %s does not exist yet", name)
	}
	for _, c := range pool.Status.Conditions {
		if c.Type != status.ConditionReady {
			continue
		}
		if c.Status == metav1.ConditionTrue {
			return nil
		}
		return fmt.Errorf("NodePool %s is not ready: %s", name, strings.TrimSpace(c.Reason+" "+c.Message))
	}
	return fmt.Errorf("NodePool %s is not ready yet", name)
}

// listPools asks the API server for all NodePools, by name.
func listPools(ctx context.Context, kube *rest.Config) (map[string]*karpv1.NodePool, error) {
	ctx, cancel := context.WithTimeout(ctx, poolsTimeout)
	defer cancel()
	client, err := rest.HTTPClientFor(kube)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(kube.Host, "/")+"/apis/karpenter.sh/v1/nodepools", nil)
	if err != nil {
		return nil, err
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("the API server answers %s", response.Status)
	}
	var list karpv1.NodePoolList
	if err := json.NewDecoder(response.Body).Decode(&list); err != nil {
		return nil, err
	}
	pools := map[string]*karpv1.NodePool{}
	for i := range list.Items {
		pools[list.Items[i].Name] = &list.Items[i]
	}
	return pools, nil
}
