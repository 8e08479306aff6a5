package eks

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/yaml"

	"github.com/automode-dev/automode/localcloud/access"
)

// configMapAge is how long a reading of aws-auth is used.
const configMapAge = 5 * time.Second

// mapping is one element of mapRoles or mapUsers in the ConfigMap aws-auth.
type mapping struct {
	RoleARN  string   `json:"rolearn"`
	UserARN  string   `json:"userarn"`
	Username string   `json:"username"`
	Groups   []string `json:"groups"`
}

// configMaps remembers readings of aws-auth.
type configMaps struct {
	mu   sync.Mutex
	read map[string]configMap
}

type configMap struct {
	at       time.Time
	mappings []mapping
}

// fromConfigMap maps a caller by the cluster's creator and aws-auth.
func (s *Service) fromConfigMap(ctx context.Context, r *record, c *access.Caller) (identity, error) {
	creator := aws.ToBool(r.Cluster.AccessConfig.BootstrapClusterCreatorAdminPermissions)
	if creator && samePrincipal(r.Creator, principal(c)) {
		return identity{username: "kubernetes-admin", groups: []string{"system:masters"}}, nil
	}
	mappings, err := s.awsAuth(ctx, r)
	if err != nil {
		return identity{}, err
	}
	for _, m := range mappings {
		if !samePrincipal(m.RoleARN+m.UserARN, principal(c)) {
			continue
		}
		pattern := m.Username
		if pattern == "" {
			pattern = m.RoleARN + m.UserARN
		}
		name, err := s.expand(ctx, pattern, r.Region, c)
		return identity{name, m.Groups}, err
	}
	return identity{}, errNoEntry
}

// awsAuth reads the ConfigMap aws-auth; without one there are no mappings.
func (s *Service) awsAuth(ctx context.Context, r *record) ([]mapping, error) {
	s.configMaps.mu.Lock()
	defer s.configMaps.mu.Unlock()
	known, now := s.configMaps.read[r.key()], s.o.Clock.Now()
	if !known.at.IsZero() && now.Sub(known.at) < configMapAge {
		return known.mappings, nil
	}
	config := s.admin(r)
	if config == nil {
		return nil, fmt.Errorf("reading ConfigMap aws-auth: the cluster is not ready")
	}
	mappings, err := readAWSAuth(ctx, config)
	if err != nil {
		return nil, err
	}
	s.configMaps.read[r.key()] = configMap{now, mappings}
	return mappings, nil
}

func readAWSAuth(ctx context.Context, config *rest.Config) ([]mapping, error) {
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, fmt.Errorf("making client: %w", err)
	}
	cm, err := client.CoreV1().ConfigMaps("kube-system").Get(ctx, "aws-auth", metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading ConfigMap aws-auth: %w", err)
	}
	return parseAWSAuth(cm.Data)
}

// parseAWSAuth reads mapRoles and mapUsers, which are YAML in strings.
func parseAWSAuth(data map[string]string) ([]mapping, error) {
	var all []mapping
	for _, key := range []string{"mapRoles", "mapUsers"} {
		var some []mapping
		if err := yaml.Unmarshal([]byte(data[key]), &some); err != nil {
			return nil, fmt.Errorf("reading %s of ConfigMap aws-auth: %w", key, err)
		}
		for _, m := range some {
			if strings.HasPrefix(m.RoleARN+m.UserARN, "arn:") {
				all = append(all, m)
			}
		}
	}
	return all, nil
}
