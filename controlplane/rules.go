package controlplane

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// ensureRules allows the API server to use kubelets: logs, exec, port-forward.
// No default rule does, and being in system:masters would allow far more.
func (p *plan) ensureRules(ctx context.Context) error {
	const group = "rbac.authorization.k8s.io"
	binding := object{
		"apiVersion": group + "/v1",
		"kind":       "ClusterRoleBinding",
		"metadata":   object{"name": "automode:" + kubeletClient},
		"roleRef":    object{"apiGroup": group, "kind": "ClusterRole", "name": "system:kubelet-api-admin"},
		"subjects":   []object{{"apiGroup": group, "kind": "User", "name": kubeletClient}},
	}
	if err := p.create(ctx, "/apis/"+group+"/v1/clusterrolebindings", binding); err != nil {
		return fmt.Errorf("allowing the API server to use kubelets: %w", err)
	}
	return nil
}

// create posts an object that may exist already.
func (p *plan) create(ctx context.Context, path string, content object) error {
	client, err := p.client(p.certs.cluster, p.certs.admin)
	if err != nil {
		return err
	}
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, local(p.ports.API)+path, bytes.NewReader(data))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode == http.StatusCreated || response.StatusCode == http.StatusConflict {
		return nil
	}
	answer, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	return fmt.Errorf("%s answers %s: %s", path, response.Status, strings.TrimSpace(string(answer)))
}
