package images

import (
	"compress/gzip"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"

	"github.com/automode-dev/automode/localcloud/registry"
	"github.com/automode-dev/automode/node"
)

// sample is an image with a file, a directory and a link in it.
func sample(t *testing.T, text string) v1.Image {
	t.Helper()
	dir := t.TempDir()
	must(t, os.MkdirAll(filepath.Join(dir, "etc"), 0o755))
	must(t, os.WriteFile(filepath.Join(dir, "etc", "motd"), []byte(text), 0o644))
	must(t, os.Symlink("etc/motd", filepath.Join(dir, "motd")))
	image, err := FromDirectory(dir, v1.Config{Entrypoint: []string{"/bin/true"}})
	must(t, err)
	return image
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func startRegistry(t *testing.T, dir string) Target {
	t.Helper()
	handler, err := registry.Open(dir)
	must(t, err)
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	return Target{Host: strings.TrimPrefix(server.URL, "http://")}
}

// manifest asks as containerd does for an image of another registry.
func manifest(t *testing.T, to Target, path, ns string) (status int, digest string) {
	t.Helper()
	response, err := http.Get("http://" + to.Host + "/v2/" + path + "?ns=" + ns)
	must(t, err)
	response.Body.Close()
	return response.StatusCode, response.Header.Get("Docker-Content-Digest")
}

func TestLoadEveryForm(t *testing.T) {
	image := sample(t, "hello")
	want, err := image.Digest()
	must(t, err)
	dir := t.TempDir()
	layoutDir := filepath.Join(dir, "layout")
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{
		Add: image, Descriptor: v1.Descriptor{Annotations: map[string]string{"io.containerd.image.name": "docker.io/library/motd:1"}}})
	_, err = layout.Write(layoutDir, index)
	must(t, err)
	layoutTar := filepath.Join(dir, "layout.tar")
	must(t, exec.Command("tar", "-C", layoutDir, "-cf", layoutTar, ".").Run())
	dockerTar := filepath.Join(dir, "docker.tar")
	tag, err := name.NewTag("motd:1")
	must(t, err)
	must(t, tarball.WriteToFile(dockerTar, tag, image))
	zipped := filepath.Join(dir, "docker.tar.gz")
	compress(t, dockerTar, zipped)

	for _, path := range []string{layoutDir, layoutTar, dockerTar, zipped} {
		t.Run(filepath.Base(path), func(t *testing.T) {
			to := startRegistry(t, t.TempDir())
			loaded, err := Load(context.Background(), path, "", to)
			must(t, err)
			if len(loaded) != 1 || loaded[0].Name != "motd:1" {
				t.Fatalf("loaded %+v", loaded)
			}
			status, digest := manifest(t, to, "library/motd/manifests/1", "docker.io")
			if status != 200 || (digest != want.String() && !strings.Contains(path, "docker.tar")) {
				t.Errorf("status %d digest %s, want %s", status, digest, want)
			}
		})
	}
}

func compress(t *testing.T, from, to string) {
	t.Helper()
	in, err := os.Open(from)
	must(t, err)
	defer in.Close()
	out, err := os.Create(to)
	must(t, err)
	zip := gzip.NewWriter(out)
	_, err = io.Copy(zip, in)
	must(t, errors.Join(err, zip.Close(), out.Close()))
}

// TestPlatforms loads an index of two platforms, then one whose second platform is not in the file.
func TestPlatforms(t *testing.T) {
	here, elsewhere := sample(t, "amd64"), sample(t, "arm64")
	platforms := mutate.AppendManifests(empty.Index,
		mutate.IndexAddendum{Add: here, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "amd64"}}},
		mutate.IndexAddendum{Add: elsewhere, Descriptor: v1.Descriptor{Platform: &v1.Platform{OS: "linux", Architecture: "arm64"}}})
	dir := t.TempDir()
	_, err := layout.Write(dir, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: platforms}))
	must(t, err)
	for _, want := range []int{2, 1} {
		kept := t.TempDir()
		_, err = Load(context.Background(), dir, "app:1", startRegistry(t, kept))
		must(t, err)
		to := startRegistry(t, kept) // after a restart: an index only counts with its images
		response, err := http.Get("http://" + to.Host + "/v2/library/app/manifests/1?ns=docker.io")
		must(t, err)
		index, err := v1.ParseIndexManifest(response.Body)
		response.Body.Close()
		must(t, err)
		if len(index.Manifests) != want {
			t.Errorf("%d platforms, want %d", len(index.Manifests), want)
		}
		digest, err := elsewhere.Digest()
		must(t, err)
		_ = os.Remove(filepath.Join(dir, "blobs", "sha256", digest.Hex))
	}
}

func TestNamesOfManifests(t *testing.T) {
	to := startRegistry(t, t.TempDir())
	image := sample(t, "hello")
	for as, asked := range map[string][2]string{
		"nginx":                           {"library/nginx/manifests/latest", "docker.io"},
		"public.ecr.aws/nginx/nginx:1.27": {"nginx/nginx/manifests/1.27", "public.ecr.aws"},
		"localhost:5000/a/b:c":            {"a/b/manifests/c", "localhost:5000"},
		PauseName:                         {"automode/pause/manifests/1", "localhost"},
	} {
		loaded, err := Push(context.Background(), image, as, to)
		must(t, err)
		if status, digest := manifest(t, to, asked[0], asked[1]); status != 200 || digest != loaded.Digest {
			t.Errorf("%s: status %d, digest %q", as, status, digest)
		}
	}
	if status, _ := manifest(t, to, "library/redis/manifests/latest", "docker.io"); status != 404 {
		t.Errorf("an image that was not loaded answers %d: the runtime would not go on to its registry", status)
	}
}

func TestRegistrySurvivesRestart(t *testing.T) {
	dir := t.TempDir()
	first, second := sample(t, "one"), sample(t, "two")
	old, err := Push(context.Background(), first, "app:1", startRegistry(t, dir))
	must(t, err)
	_, err = Push(context.Background(), second, "app:1", startRegistry(t, dir))
	must(t, err)

	to := startRegistry(t, dir)
	want, err := second.Digest()
	must(t, err)
	if _, digest := manifest(t, to, "library/app/manifests/1", "docker.io"); digest != want.String() {
		t.Errorf("tag is %s, want %s", digest, want)
	}
	if status, _ := manifest(t, to, "library/app/manifests/"+old.Digest, "docker.io"); status != 200 {
		t.Errorf("the digest that the tag left answers %d", status)
	}
}

func TestSeed(t *testing.T) {
	if PauseName != node.SandboxImage {
		t.Errorf("machines ask for %s, the registry has %s", node.SandboxImage, PauseName)
	}
	dir := t.TempDir()
	binary := filepath.Join(dir, "pause")
	must(t, os.WriteFile(binary, []byte("program"), 0o755))
	handler, err := registry.Open(filepath.Join(dir, "registry"))
	must(t, err)
	for range 2 {
		must(t, Seed(context.Background(), handler, binary))
	}
	server := httptest.NewServer(handler)
	defer server.Close()
	to := Target{Host: strings.TrimPrefix(server.URL, "http://")}
	if status, _ := manifest(t, to, "automode/pause/manifests/1", "localhost"); status != 200 {
		t.Errorf("status %d", status)
	}
}

func TestErrorsNameWhatIsWrong(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		must(t, os.WriteFile(path, []byte(text), 0o644))
		return path
	}
	unnamed := filepath.Join(dir, "unnamed")
	_, err := layout.Write(unnamed, mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: sample(t, "x")}))
	must(t, err)
	emptyTar := filepath.Join(dir, "other.tar")
	must(t, exec.Command("tar", "-C", dir, "-cf", emptyTar, "--files-from=/dev/null", "unnamed/oci-layout").Run())

	for _, c := range []struct{ path, as, want string }{
		{filepath.Join(dir, "none"), "", "can not be read: no such file"},
		{write("text", "hello"), "", "is no tar archive"},
		{write("zip", "\x1f\x8bhello"), "", "is a broken gzip file"},
		{t.TempDir(), "", "is no OCI layout"},
		{emptyTar, "", "holds no image"},
		{unnamed, "", "holds an image without a name"},
		{unnamed, "Not A Name", "is not an image name"},
	} {
		_, err := Load(context.Background(), c.path, c.as, startRegistry(t, t.TempDir()))
		var input *InputError
		if !errors.As(err, &input) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.path, err, c.want)
		}
	}
}

func TestBuildIsReproducible(t *testing.T) {
	a, err := sample(t, "same").Digest()
	must(t, err)
	b, err := sample(t, "same").Digest()
	must(t, err)
	if diff := cmp.Diff(a.String(), b.String()); diff != "" {
		t.Error(diff)
	}
}
