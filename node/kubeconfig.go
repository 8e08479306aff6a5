package node

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"sync"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig renders the file with which a process of the node reaches the API server: as the node itself, or as a user
// that the node impersonates.
func kubeconfig(o Options, f Facts, user string) ([]byte, error) {
	cluster := f.Config.Spec.Cluster
	config := api.NewConfig()
	config.Clusters["cluster"] = &api.Cluster{Server: cluster.APIServerEndpoint, CertificateAuthorityData: cluster.CertificateAuthority}
	config.AuthInfos["node"] = &api.AuthInfo{
		Impersonate: user,
		Exec: &api.ExecConfig{
			APIVersion:      "client.authentication.k8s.io/v1",
			Command:         o.binary("automode"),
			Args:            []string{"node", "token", "--region", f.Region, "--cluster-name", cluster.Name},
			Env:             tokenEnv(),
			InteractiveMode: api.NeverExecInteractiveMode,
		},
	}
	config.Contexts["node"] = &api.Context{Cluster: "cluster", AuthInfo: "node"}
	config.CurrentContext = "node"
	data, err := clientcmd.Write(*config)
	if err != nil {
		return nil, fmt.Errorf("printing the kubeconfig of the node: %w", err)
	}
	return data, nil
}

func tokenEnv() (env []api.ExecEnvVar) {
	if endpoint := os.Getenv(EndpointVariable); endpoint != "" {
		env = append(env, api.ExecEnvVar{Name: EndpointVariable, Value: endpoint})
	}
	return env
}

// restConfig is the same for clients inside the agent's own process.
func restConfig(o Options, f Facts, user string) *rest.Config {
	cluster := f.Config.Spec.Cluster
	tokens := &tokenCache{source: func(ctx context.Context) (string, time.Time, error) { return o.Token(ctx, f.Region, cluster.Name) }}
	return &rest.Config{
		Host:            cluster.APIServerEndpoint,
		TLSClientConfig: rest.TLSClientConfig{CAData: cluster.CertificateAuthority},
		Impersonate:     rest.ImpersonationConfig{UserName: user},
		UserAgent:       "automode-node",
		WrapTransport: func(next http.RoundTripper) http.RoundTripper {
			return &bearer{next: next, tokens: tokens}
		},
	}
}

// tokenCache signs a new token shortly before the last one ends.
type tokenCache struct {
	source func(ctx context.Context) (string, time.Time, error)

	mu      sync.Mutex
	token   string
	expires time.Time
}

func (c *tokenCache) get(ctx context.Context) (string, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.token != "" && time.Until(c.expires) > time.Minute {
		return c.token, nil
	}
	token, expires, err := c.source(ctx)
	if err != nil {
		return "", err
	}
	c.token, c.expires = token, expires
	return token, nil
}

// bearer adds the current token to every request.
type bearer struct {
	next   http.RoundTripper
	tokens *tokenCache
}

// RoundTrip implements http.RoundTripper.
func (b *bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	token, err := b.tokens.get(r.Context())
	if err != nil {
		return nil, fmt.Errorf("authenticating the node: %w", err)
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.next.RoundTrip(r)
}
