package serve

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"k8s.io/client-go/rest"
)

func TestPoolsThatCannotHaveNodes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte(`{"items": [
			{"metadata": {"name": "system"}, "status": {"conditions": [{"type": "ValidationSucceeded", "status": "True"}, {"type": "NodeClassReady", "status": "True"}, {"type": "Ready", "status": "True"}]}},
			{"metadata": {"name": "general-purpose"}, "status": {"conditions": [{"type": "Ready", "status": "False", "reason": "NodeClassNotReady", "message": "no role"}]}}]}`))
	}))
	defer server.Close()
	pools, err := listPools(t.Context(), &rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	if err := checkPool(pools["system"], "system"); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{"general-purpose": "not ready: NodeClassNotReady no role", "absent": "does not exist yet"} {
		if err := checkPool(pools[name], name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}
