package simulate

import (
	"context"
	"net/http"

	"k8s.io/client-go/transport"
)

// Every call for a node is made as that node, so that the API server grants it what it grants a kubelet and no more. Watches
// are the simulator's own: a node may not see the pods of others.

type nodeKey struct{}

// asNode marks calls as those of a node's kubelet.
func asNode(ctx context.Context, name string) context.Context {
	return context.WithValue(ctx, nodeKey{}, name)
}

// speakForNodes impersonates the node that a call is marked with. One connection serves all of them.
func speakForNodes(next http.RoundTripper) http.RoundTripper { return impersonator{next} }

type impersonator struct{ next http.RoundTripper }

func (i impersonator) RoundTrip(r *http.Request) (*http.Response, error) {
	if name, ok := r.Context().Value(nodeKey{}).(string); ok {
		r = r.Clone(r.Context())
		r.Header.Set(transport.ImpersonateUserHeader, "system:node:"+name)
		r.Header.Set(transport.ImpersonateGroupHeader, "system:nodes")
	}
	return i.next.RoundTrip(r)
}
