package registry

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
)

// maxManifest bounds the size of a manifest in bytes, as other registries do.
const maxManifest = 4 << 20

// record is a manifest on disk; the registry library keeps manifests in memory only.
type record struct {
	Repository string `json:"repository"`
	Reference  string `json:"reference"`
	MediaType  string `json:"mediaType"`
	Body       []byte `json:"body"`
}

type manifestStore struct{ dir string }

func (s manifestStore) file(repository, reference string) string {
	sum := sha256.Sum256([]byte(repository + "@" + reference))
	return filepath.Join(s.dir, hex.EncodeToString(sum[:16])+".json")
}

func (s manifestStore) put(r record) error {
	data, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("encoding manifest: %w", err)
	}
	if err := os.MkdirAll(s.dir, 0o755); err != nil {
		return fmt.Errorf("storing manifest: %w", err)
	}
	file := s.file(r.Repository, r.Reference)
	if err := os.WriteFile(file+".new", data, 0o644); err != nil {
		return fmt.Errorf("storing manifest: %w", err)
	}
	if err := os.Rename(file+".new", file); err != nil {
		return fmt.Errorf("storing manifest: %w", err)
	}
	return nil
}

func (s manifestStore) delete(repository, reference string) error {
	if err := os.Remove(s.file(repository, reference)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("deleting manifest: %w", err)
	}
	return nil
}

// replay gives the manifests of an earlier process to the registry.
func (s manifestStore) replay(to http.Handler) error {
	files, err := filepath.Glob(filepath.Join(s.dir, "*.json"))
	if err != nil {
		return fmt.Errorf("listing manifests: %w", err)
	}
	var records []record
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return fmt.Errorf("reading manifest: %w", err)
		}
		var r record
		if err := json.Unmarshal(data, &r); err != nil {
			return fmt.Errorf("reading manifest %s: %w", file, err)
		}
		records = append(records, r)
	}
	for len(records) > 0 {
		var left []record
		for _, r := range records {
			if forward(to, r).code() >= 300 {
				left = append(left, r) // an index whose images are not there yet
			}
		}
		if len(left) == len(records) {
			slog.Warn("images can not be restored: what they consist of is missing", "manifests", len(left), "first", left[0].Repository+":"+left[0].Reference)
			return nil
		}
		records = left
	}
	return nil
}

// forward puts a manifest into the registry library and returns its answer.
func forward(to http.Handler, r record) *answer {
	request := &http.Request{
		Method: http.MethodPut, URL: &url.URL{Path: "/v2/" + r.Repository + "/manifests/" + r.Reference},
		Header: http.Header{"Content-Type": {r.MediaType}}, Body: io.NopCloser(bytes.NewReader(r.Body)),
	}
	got := &answer{}
	to.ServeHTTP(got, request)
	return got
}

func (r *Registry) putManifest(w http.ResponseWriter, request *http.Request, repository, reference string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, request.Body, maxManifest))
	if err != nil {
		http.Error(w, "reading manifest: "+err.Error(), http.StatusRequestEntityTooLarge)
		return
	}
	manifest := record{Repository: repository, Reference: reference, MediaType: request.Header.Get("Content-Type"), Body: body}
	got := forward(r.inner, manifest)
	if got.code() < 300 {
		if err := r.keep(manifest, got.Header().Get("Docker-Content-Digest")); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	relay(w, got)
}

// keep stores a manifest under its reference and under its digest, which stays when the tag moves on.
func (r *Registry) keep(manifest record, digest string) error {
	if err := r.store.put(manifest); err != nil || manifest.Reference == digest {
		return err
	}
	manifest.Reference = digest
	return r.store.put(manifest)
}

func (r *Registry) deleteManifest(w http.ResponseWriter, request *http.Request, repository, reference string) {
	got := &answer{}
	r.inner.ServeHTTP(got, request)
	if got.code() < 300 {
		if err := r.store.delete(repository, reference); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
			return
		}
	}
	relay(w, got)
}

func relay(w http.ResponseWriter, from *answer) {
	for name, values := range from.Header() {
		w.Header()[name] = values
	}
	w.WriteHeader(from.code())
	_, _ = w.Write(from.body.Bytes())
}
