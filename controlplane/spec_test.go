package controlplane

import (
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestSpecNamesWhatIsWrong(t *testing.T) {
	libexec := t.TempDir()
	if err := os.MkdirAll(filepath.Join(libexec, "kubernetes-1.35"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(libexec, "kubernetes-1.35/kubernetes"), nil, 0o700); err != nil {
		t.Fatal(err)
	}
	valid := Spec{
		Name: "a", Version: "1.35", HostPort: 30001, ServiceCIDR: netip.MustParsePrefix("172.20.0.0/16"),
		IssuerURL: "https://issuer", AuthenticatorURL: "http://127.0.0.1:4566/x", Libexec: libexec, Automode: "/bin/automode",
	}
	if err := valid.Validate(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Spec){
		`name "../b"`:       func(s *Spec) { s.Name = "../b" },
		"1.29 is not built": func(s *Spec) { s.Version = "1.29" },
		"host port 0":       func(s *Spec) { s.HostPort = 0 },
		"address":           func(s *Spec) { s.NetNS = "/run/ns" },
		"service CIDR":      func(s *Spec) { s.ServiceCIDR = netip.MustParsePrefix("10.0.0.0/30") },
		"issuer":            func(s *Spec) { s.IssuerURL = "" },
		"loopback":          func(s *Spec) { s.AuthenticatorURL = "http://10.0.0.1:80/x" },
		`binary "automode"`: func(s *Spec) {
			s.NetNS, s.Address, s.Automode = "/run/ns", netip.MustParseAddr("10.0.0.1"), "automode"
		},
	} {
		spec := valid
		change(&spec)
		if err := spec.Validate(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error is %v, want one with %q", err, want)
		}
	}
}

func TestFailedChecks(t *testing.T) {
	report := "[+]ping ok\n[-]etcd failed: reason withheld\n[-]poststarthook/rbac/bootstrap-roles failed: not finished\nreadyz check failed\n"
	if got, want := failedChecks(report), "not ready: etcd, poststarthook/rbac/bootstrap-roles"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := failedChecks("forbidden\n"); got != "forbidden" {
		t.Errorf("got %q", got)
	}
}

func TestProblemsAreRecognised(t *testing.T) {
	for line, want := range map[string]bool{
		`E1121 19:42:50.917803   14919 server.go:1253] "Failed"`: true,
		`I1121 19:42:50.917803   14919 server.go:1253] "Fine"`:   false,
		`{"level":"fatal","msg":"failed"}`:                       true,
		`{"level":"warn","msg":"slow"}`:                          false,
		"nsenter: cannot open /run/ns: No such file":             true,
		"Error: unknown flag: --x":                               true,
		"Etcd is fine":                                           false,
	} {
		if got := isProblem(line); got != want {
			t.Errorf("%q: %v", line, got)
		}
	}
}
