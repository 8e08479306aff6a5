package testkit

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/automode-dev/automode/images"
)

// Nginx returns the directory of an OCI layout with nginx as the public image has it: `nginx -g 'daemon off;'` on port 80,
// its welcome page, a shell. It is made from Debian's packages and kept in the user's cache.
func Nginx(t testing.TB) string {
	t.Helper()
	packages := []string{"nginx", "nginx-common", "libc6", "libcrypt1", "libpcre2-8-0", "libssl3", "zlib1g", "busybox"}
	return cached(t, "nginx-3", packages, furnishNginx, v1.Config{
		Cmd: []string{"nginx", "-g", "daemon off;"}, StopSignal: "SIGQUIT", Env: []string{searchPath},
		ExposedPorts: map[string]struct{}{"80/tcp": {}},
	})
}

// Busybox returns the directory of an OCI layout with busybox: a shell and small tools. (Its wget crashes on -T.)
func Busybox(t testing.TB) string {
	t.Helper()
	return cached(t, "busybox-3", []string{"busybox", "libc6"}, addShell, v1.Config{Cmd: []string{"sh"}, Env: []string{searchPath}})
}

const searchPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

// cached makes an image once per machine. The version in its name changes when this file makes it differently.
func cached(t testing.TB, name string, packages []string, furnish func(root string) error, config v1.Config) string {
	t.Helper()
	cache, err := os.UserCacheDir()
	if err != nil {
		t.Fatalf("finding the cache directory: %v", err)
	}
	dir := filepath.Join(cache, "automode-test", name)
	if _, err := os.Stat(filepath.Join(dir, "index.json")); err == nil {
		return dir
	}
	if _, err := exec.LookPath("dpkg-deb"); err != nil {
		t.Skip("test images are made from Debian packages: dpkg-deb is not here")
	}
	if err := makeImage(dir, packages, furnish, config); err != nil {
		t.Fatalf("making test image %s: %v", name, err)
	}
	return dir
}

func makeImage(dir string, packages []string, furnish func(string) error, config v1.Config) error {
	scratch, err := os.MkdirTemp("", "automode-testimage-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(scratch)
	root := filepath.Join(scratch, "root")
	if err := unpackPackages(scratch, root, packages); err != nil {
		return err
	}
	if err := furnish(root); err != nil {
		return err
	}
	image, err := images.FromDirectory(root, config)
	if err != nil {
		return err
	}
	index := mutate.AppendManifests(empty.Index, mutate.IndexAddendum{Add: image})
	finished := filepath.Join(scratch, "layout")
	if _, err := layout.Write(finished, index); err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(dir), 0o755); err != nil {
		return err
	}
	return run(scratch, "cp", "-rT", finished, dir)
}

// unpackPackages fetches packages with the distribution's own client and lays their files out below root.
func unpackPackages(scratch, root string, packages []string) error {
	for _, dir := range []string{"usr/bin", "usr/sbin", "usr/lib", "usr/lib64", "tmp", "run", "etc", "root"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	for _, link := range []string{"bin", "sbin", "lib", "lib64"} {
		if err := os.Symlink("usr/"+link, filepath.Join(root, link)); err != nil {
			return err
		}
	}
	if err := os.Chmod(scratch, 0o755); err != nil { // apt's own user writes here
		return err
	}
	if err := run(scratch, "apt-get", append([]string{"download", "-q", "-o", "APT::Sandbox::User=root"}, packages...)...); err != nil {
		return err
	}
	archives, err := filepath.Glob(filepath.Join(scratch, "*.deb"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		// Through tar, so that a package's /bin lands behind the link to usr/bin instead of replacing it.
		if err := run(scratch, "sh", "-c", `dpkg-deb --fsys-tarfile "$0" | tar -x --keep-directory-symlink -C "$1"`, archive, root); err != nil {
			return err
		}
	}
	superfluous, err := filepath.Glob(filepath.Join(root, "usr/lib/*/gconv"))
	if err != nil {
		return err
	}
	for _, dir := range append(superfluous, filepath.Join(root, "usr/share/doc"), filepath.Join(root, "usr/share/lintian")) {
		if err := os.RemoveAll(dir); err != nil {
			return err
		}
	}
	return nil
}

func run(dir, name string, args ...string) error {
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("running %s %s: %w\n%s", name, strings.Join(args, " "), err, out)
	}
	return nil
}

// addShell links every tool of busybox.
func addShell(root string) error {
	busybox := filepath.Join(root, "usr/bin/busybox")
	list, err := exec.Command("chroot", root, "/usr/bin/busybox", "--list").Output()
	if os.Geteuid() != 0 {
		list, err = exec.Command(busybox, "--list").Output() // the host's libraries will do
	}
	if err != nil {
		return fmt.Errorf("listing the tools of busybox: %w", err)
	}
	for _, tool := range strings.Fields(string(list)) {
		if err := os.Symlink("busybox", filepath.Join(root, "usr/bin", tool)); err != nil && !os.IsExist(err) {
			return err
		}
	}
	return writeFiles(root, map[string]string{
		"etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\nwww-data:x:33:33:www-data:/var/www:/bin/false\n",
		"etc/nsswitch.conf": "hosts: files dns\n",
		"etc/group":         "root:x:0:\nnogroup:x:65534:\nwww-data:x:33:\n",
	})
}

func furnishNginx(root string) error {
	if err := addShell(root); err != nil {
		return err
	}
	for _, dir := range []string{"var/lib/nginx", "var/log/nginx", "usr/share/nginx/html"} {
		if err := os.MkdirAll(filepath.Join(root, dir), 0o755); err != nil {
			return err
		}
	}
	return writeFiles(root, map[string]string{
		"etc/nginx/nginx.conf": `user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /dev/stderr notice;
events { worker_connections 512; }
http {
  include mime.types;
  access_log /dev/stdout;
  server {
    listen 80;
    location / { root /usr/share/nginx/html; index index.html; }
    location = /hostname { default_type text/plain; return 200 "$hostname\n"; }
  }
}
`,
		"usr/share/nginx/html/index.html": "<!DOCTYPE html>\n<html>\n<head><title>Welcome to nginx!</title></head>\n<body><h1>Welcome to nginx!</h1></body>\n</html>\n",
	})
}

func writeFiles(root string, files map[string]string) error {
	for name, text := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			return err
		}
	}
	return nil
}
