package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/automode-dev/automode/test/testkit"
)

// TestRefused: what keeps `up` from working is said before anything is made, with what to do.
func TestRefused(t *testing.T) {
	c := shared(t)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := fmt.Sprint(listener.Addr().(*net.TCPAddr).Port)

	half := t.TempDir()
	if err := os.WriteFile(filepath.Join(half, "stopping"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		name string
		home string
		args []string
		code int
		want []string
	}{
		{"port taken", t.TempDir(), []string{"--port", taken}, 4, []string{"port " + taken, "address already in use", "PORT-TAKEN", "--port"}},
		{"half removed", half, nil, 8, []string{"did not finish", "automode down", "HALF-REMOVED"}},
		{"disk full", smallDisk(t), nil, 7, []string{"MiB free", "--home", "DISK-FULL"}},
		{"another region for a running cloud", c.Home, []string{"--region", "eu-west-1", "--port", fmt.Sprint(c.Port)}, 3, []string{"--region us-east-1, not eu-west-1", "automode down"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			shell := testkit.Shell{Env: append(c.Env, "AUTOMODE_HOME="+tc.home)}
			r := shell.Try(t, "", append([]string{"automode", "up"}, tc.args...)...)
			if r.Code != tc.code {
				t.Errorf("exit code %d, want %d", r.Code, tc.code)
			}
			for _, want := range tc.want {
				if !strings.Contains(r.Err, want) {
					t.Errorf("%q is not in\n%s", want, r.Err)
				}
			}
		})
	}
}

// smallDisk is a file system of 16 MiB.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=16m"); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(dir, 0) }) // the directory's removal would tell
	return dir
}

// TestWrongCredentials: AWS's own words for a key that does not exist, a wrong secret, and a call without a signature.
func TestWrongCredentials(t *testing.T) {
	c := shared(t)
	for _, tc := range []struct {
		name string
		env  []string
		args []string
		want string
	}{
		{"unknown key", []string{"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"}, []string{"sts", "get-caller-identity"},
			"An error occurred (InvalidClientTokenId) when calling the GetCallerIdentity operation: The security token included in the request is invalid."},
		{"unknown key for EC2", []string{"AWS_ACCESS_KEY_ID=AKIAIOSFODNN7EXAMPLE"}, []string{"ec2", "describe-instances"}, "An error occurred (AuthFailure) when calling the DescribeInstances operation"},
		{"wrong secret", []string{"AWS_SECRET_ACCESS_KEY=wrong"}, []string{"eks", "list-clusters"}, "The request signature we calculated does not match the signature you provided"},
		{"no signature", nil, []string{"eks", "list-clusters", "--no-sign-request"}, "Request is missing Authentication Token"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			c.AWS(t, "--version")
			shell := testkit.Shell{Env: append(append([]string{}, c.Env...), tc.env...)}
			r := shell.Try(t, "", append([]string{"aws"}, tc.args...)...)
			if r.Code == 0 || !strings.Contains(r.Err, tc.want) {
				t.Errorf("exit code %d\n%s\nwithout %q", r.Code, r.Err, tc.want)
			}
		})
	}
}
