package controlplane

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/automode-dev/automode/controlplane/pki"
	"github.com/automode-dev/automode/internal/forward"
)

// probeTimeout bounds one look at one component.
const probeTimeout = 5 * time.Second

// target is where a component tells how it is.
type target struct {
	url       string
	authority *pki.Authority
	client    pki.Files
}

func (p *plan) target(component string) target {
	ports, certs := p.ports, p.certs
	switch component {
	case etcd:
		return target{local(ports.Etcd) + "/health", certs.etcd, certs.etcdClient}
	case apiServer:
		return target{local(ports.API) + "/readyz?verbose", certs.cluster, certs.probe}
	case controllerManager:
		return target{local(ports.ControllerManager) + "/healthz?verbose", certs.cluster, certs.probe}
	default:
		return target{local(ports.Scheduler) + "/readyz?verbose", certs.cluster, certs.probe}
	}
}

// probe returns nil when the component is ready, or what it waits for.
func (p *plan) probe(ctx context.Context, component string) error {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	t := p.target(component)
	response, err := p.get(ctx, t)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<16))
	if err != nil {
		return fmt.Errorf("reading answer of %s: %w", t.url, err)
	}
	if response.StatusCode == http.StatusOK {
		return nil
	}
	return fmt.Errorf("%s answers %d: %s", t.url, response.StatusCode, failedChecks(string(body)))
}

// get asks over a connection of its own: the certificates may have been renewed,
// and the process may be another one since the last time.
func (p *plan) get(ctx context.Context, t target) (*http.Response, error) {
	client, err := p.client(t.authority, t.client)
	if err != nil {
		return nil, err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.url, nil)
	if err != nil {
		return nil, err
	}
	return client.Do(request)
}

// client reaches the loopback of the cluster's namespace with a client
// certificate.
func (p *plan) client(authority *pki.Authority, files pki.Files) (*http.Client, error) {
	pool, err := authority.Pool()
	if err != nil {
		return nil, err
	}
	certificate, err := tls.LoadX509KeyPair(files.Cert, files.Key)
	if err != nil {
		return nil, fmt.Errorf("loading client certificate: %w", err)
	}
	netns := p.spec.NetNS
	return &http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		TLSClientConfig:   &tls.Config{RootCAs: pool, Certificates: []tls.Certificate{certificate}},
		DialContext: func(ctx context.Context, _, addr string) (net.Conn, error) {
			return forward.Dial(ctx, forward.Endpoint{Addr: addr, NetNS: netns})
		},
	}}, nil
}

// failedChecks picks the failing ones out of a verbose health report.
func failedChecks(report string) string {
	var failed []string
	for line := range strings.Lines(report) {
		if check, ok := strings.CutPrefix(strings.TrimSpace(line), "[-]"); ok {
			name, _, _ := strings.Cut(check, " failed")
			failed = append(failed, name)
		}
	}
	if len(failed) == 0 {
		return strings.TrimSpace(report)
	}
	return "not ready: " + strings.Join(slices.Compact(failed), ", ")
}
