package cli

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/automode-dev/automode/cloud/clusters"
	"github.com/automode-dev/automode/internal/home"
)

func TestResumeKeepsWhatTheCloudWasStartedWith(t *testing.T) {
	dir := home.Dir(t.TempDir())
	started := settings{Region: "eu-west-1", Port: 4600, Machines: machinesSimulated, BootDelay: "3s", Cluster: "mine"}
	if err := writeJSON(dir.Settings(), started); err != nil {
		t.Fatal(err)
	}
	config := (&app{homeFlag: string(dir)}).defaultsHere()
	if config.Region != "eu-west-1" || config.Port != 4600 || config.BootDelay != "3s" || config.Name != "mine" {
		t.Errorf("%+v", config)
	}
	if _, err := (settings{Region: config.Region, Port: config.Port, Machines: machinesReal, BootDelay: config.BootDelay}).reconcile(started, config); err != nil {
		t.Error(err)
	}
}

func TestRealMachinesProblem(t *testing.T) {
	all := func(string) bool { return true }
	for _, c := range []struct {
		name string
		user int
		has  func(string) bool
		id   FailureID
		text string
	}{
		{"not root", 1000, all, NeedsRoot, "user 1000"},
		{"programs missing", 0, func(p string) bool { return p != "nft" && p != "runc" }, PackagesMissing, "nft, runc (apt-get install nftables runc)"},
	} {
		t.Run(c.name, func(t *testing.T) {
			var failure *Failure
			if err := realMachinesProblem(c.user, c.has); !errors.As(err, &failure) || failure.ID != c.id || !strings.Contains(err.Error(), c.text) {
				t.Errorf("the problem is %v, want %s with %q", err, c.id, c.text)
			}
		})
	}
}

func TestSettingsStayWithTheCloud(t *testing.T) {
	existing := settings{Region: "us-east-1", Port: 4566, Machines: machinesReal}
	if got, err := (settings{Region: "us-east-1", Port: 4566, Machines: machinesSimulated}).reconcile(existing, Config{Machines: machinesAuto}); err != nil || got.Machines != machinesReal {
		t.Errorf("auto takes %v and %v, want what the cloud was started with", got, err)
	}
	_, err := (settings{Region: "eu-west-1", Port: 4566, Machines: machinesReal}).reconcile(existing, Config{Machines: machinesAuto})
	if err == nil || !strings.Contains(err.Error(), "--region us-east-1, not eu-west-1") {
		t.Errorf("another region gives %v", err)
	}
}

// TestWhatIsThereStays: a wish that contradicts a cluster is refused; what was not asked for contradicts nothing.
func TestWhatIsThereStays(t *testing.T) {
	network := clusters.Network{CIDR: netip.MustParsePrefix("10.0.0.0/16")}
	cluster := clusters.Cluster{Name: "a", Version: "1.35", NodePools: []string{"system", "general-purpose"}}
	for _, c := range []struct {
		asked  Config
		wrong  string
		advice string
	}{
		{Config{}, "", ""},
		{Config{Network: "10.0.0.0/16", KubernetesVersion: "1.35", NodePools: []string{"general-purpose", "system"}}, "", ""},
		{Config{Network: "10.1.0.0/16"}, `cluster "a" was created with --network 10.0.0.0/16, not 10.1.0.0/16`, "automode down"},
		{Config{KubernetesVersion: "1.34"}, `cluster "a" is there with --kubernetes-version 1.35, not 1.34`, "update-cluster-version"},
		{Config{NodePools: []string{}}, `cluster "a" is there with --node-pools general-purpose,system, not `, "update-cluster-config"},
	} {
		err := errors.Join(c.asked.checkNetwork(cluster.Name, network), c.asked.checkCluster(cluster))
		if c.wrong == "" {
			if err != nil {
				t.Errorf("%+v: %v", c.asked, err)
			}
			continue
		}
		var failure *Failure
		if !errors.As(err, &failure) || failure.ID != BadConfig || err.Error() != c.wrong || !strings.Contains(failure.advice(), c.advice) {
			t.Errorf("%+v gives %v, want %s", c.asked, err, c.wrong)
		}
	}
}

func TestNothingHereIsNotRunning(t *testing.T) {
	var failure *Failure
	if _, err := readSettings(home.Dir(t.TempDir())); !errors.As(err, &failure) || failure.ID != NotRunning {
		t.Errorf("reading the settings of an empty home gives %v", err)
	}
}

func TestHomeBelowAFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "notes")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var failure *Failure
	if err := checkDisk(home.Dir(filepath.Join(file, "home"))); !errors.As(err, &failure) || failure.ID != BadConfig || !strings.Contains(err.Error(), file+" is a file") {
		t.Errorf("a home below a file gives %v", err)
	}
}
