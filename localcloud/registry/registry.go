// Package registry is the image registry of the local cloud: images that were loaded run under the names that manifests
// use, without a network. It answers under /v2/ as the OCI distribution protocol says; a runtime that uses it as a mirror
// names the image's own registry in the query parameter ns. It never fetches anything: what was not loaded is not found,
// and the runtime goes to the image's own registry.
package registry

import (
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"

	"github.com/google/go-containerregistry/pkg/registry"
)

// Registry is an http.Handler for /v2/.
type Registry struct {
	inner http.Handler
	store manifestStore

	mu sync.Mutex // one change of manifests at a time
}

// Open returns the registry that keeps its images in a directory, which it makes.
func Open(dir string) (*Registry, error) {
	blobs := filepath.Join(dir, "blobs")
	if err := os.MkdirAll(blobs, 0o755); err != nil {
		return nil, fmt.Errorf("opening image registry: %w", err)
	}
	r := &Registry{
		inner: registry.New(
			registry.WithBlobHandler(registry.NewDiskBlobHandler(blobs)),
			registry.Logger(log.New(io.Discard, "", 0))),
		store: manifestStore{dir: filepath.Join(dir, "manifests")},
	}
	if err := r.store.replay(r.inner); err != nil {
		return nil, fmt.Errorf("opening image registry %s: %w", dir, err)
	}
	return r, nil
}

// ServeHTTP implements http.Handler.
func (r *Registry) ServeHTTP(w http.ResponseWriter, request *http.Request) {
	request = mirrored(request)
	repository, reference, ok := manifestPath(request.URL.Path)
	if !ok || (request.Method != http.MethodPut && request.Method != http.MethodDelete) {
		r.inner.ServeHTTP(w, request)
		return
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if request.Method == http.MethodDelete {
		r.deleteManifest(w, request, repository, reference)
		return
	}
	r.putManifest(w, request, repository, reference)
}

// mirrored maps a mirror's request to the repository that holds the image: /v2/library/nginx/… with ns=docker.io is
// /v2/docker.io/library/nginx/…. A request for this very registry's name stays as it is.
func mirrored(request *http.Request) *http.Request {
	namespace := request.URL.Query().Get("ns")
	rest, ok := strings.CutPrefix(request.URL.Path, "/v2/")
	if namespace == "" || namespace == request.Host || !ok || rest == "" {
		return request
	}
	clone := request.Clone(request.Context())
	clone.URL.Path = path.Join("/v2", Host(namespace), rest)
	clone.URL.RawPath = ""
	return clone
}

// Host is the first part of the repositories that hold the images of a registry. Docker's registry has several names, and
// a port's colon has no place in a repository's name.
func Host(name string) string {
	switch name {
	case "registry-1.docker.io", "index.docker.io":
		return "docker.io"
	default:
		return strings.ReplaceAll(name, ":", "__")
	}
}

// manifestPath splits /v2/<repository>/manifests/<reference>.
func manifestPath(p string) (repository, reference string, ok bool) {
	rest, ok := strings.CutPrefix(p, "/v2/")
	if !ok {
		return "", "", false
	}
	repository, reference, ok = strings.Cut(rest, "/manifests/")
	return repository, reference, ok && repository != "" && reference != "" && !strings.Contains(reference, "/")
}
