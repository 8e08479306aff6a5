package cli

import (
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/automode-dev/automode/cloud/clusters"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/internal/home"
)

// preflight says whether and how this host can run what the configuration asks for. A local cloud that is there already
// keeps what it was started with; asking for something else is an error.
func preflight(ctx context.Context, dir home.Dir, config Config) (settings, error) {
	if err := checkHalfRemoved(dir); err != nil {
		return settings{}, err
	}
	if err := checkRegion(config.Region); err != nil {
		return settings{}, err
	}
	if _, err := libexec(config.KubernetesVersion); err != nil {
		return settings{}, err
	}
	kind, reason, err := machineKind(config.Machines)
	if err != nil {
		return settings{}, err
	}
	wanted := settings{Region: config.Region, Port: config.Port, Machines: kind, MachinesReason: reason, BootDelay: config.BootDelay, Cluster: config.Name}
	if existing, err := readSettings(dir); err == nil {
		return wanted.reconcile(existing, config)
	}
	if err := checkDisk(dir); err != nil {
		return settings{}, err
	}
	return wanted, checkPort(ctx, config.Port)
}

// reconcile keeps the settings of a local cloud that exists, and refuses a wish that contradicts them.
func (s settings) reconcile(existing settings, config Config) (settings, error) {
	for _, c := range []struct {
		flag          string
		have, ask     any
		orWhileItRuns string
	}{
		{"--region", existing.Region, s.Region, ""},
		{"--port", existing.Port, s.Port, ""},
		{"--machines", existing.Machines, s.Machines, ""},
		{"--boot-delay", existing.BootDelay, s.BootDelay, "set ec2.timing by the cloud's control API, "},
	} {
		if c.have != c.ask && !(c.flag == "--machines" && config.Machines == machinesAuto) {
			return existing, contradiction("the local cloud here was started", c.flag, c.have, c.ask, c.orWhileItRuns)
		}
	}
	return existing, nil
}

// contradiction refuses a flag, or its field of the configuration file, that says otherwise than what is there.
func contradiction(what, flag string, have, ask any, instead string) error {
	return &Failure{ID: BadConfig, Err: fmt.Errorf("%s with %s %v, not %v", what, flag, have, ask),
		Advice: fmt.Sprintf("leave %s out, %srun `automode down` first, or use another --home", flag, instead)}
}

// checkNetwork refuses another network for a cluster that has one.
func (c Config) checkNetwork(cluster string, network clusters.Network) error {
	if c.Network == "" || c.Network == network.CIDR.String() {
		return nil
	}
	return contradiction(fmt.Sprintf("cluster %q was created", cluster), "--network", network.CIDR, c.Network, "")
}

// checkCluster refuses what a cluster that is there is otherwise than asked for.
func (c Config) checkCluster(cluster clusters.Cluster) error {
	what := fmt.Sprintf("cluster %q is there", cluster.Name)
	if c.KubernetesVersion != "" && c.KubernetesVersion != cluster.Version {
		return contradiction(what, "--kubernetes-version", cluster.Version, c.KubernetesVersion, "upgrade with `aws eks update-cluster-version`, ")
	}
	have, ask := slices.Sorted(slices.Values(cluster.NodePools)), slices.Sorted(slices.Values(c.NodePools))
	if c.NodePools != nil && !slices.Equal(have, ask) {
		return contradiction(what, "--node-pools", strings.Join(have, ","), strings.Join(ask, ","), "change them with `aws eks update-cluster-config --compute-config`, ")
	}
	return nil
}

// stoppingMarker exists from the beginning of `automode down` to its end.
func stoppingMarker(dir home.Dir) string { return dir.Path("stopping") }

func checkHalfRemoved(dir home.Dir) error {
	if _, err := os.Stat(stoppingMarker(dir)); err == nil {
		return fail(HalfRemoved, "an `automode down` of %s did not finish", dir)
	}
	return nil
}

func checkRegion(region string) error {
	if _, known := catalog.Default().Region(region); known {
		return nil
	}
	var names []string
	for _, r := range catalog.Default().Regions() {
		names = append(names, r.Name)
	}
	return fail(UnknownRegion, "region %q is not in the catalogue; known are %s", region, strings.Join(names, ", "))
}

// libexecBases are the directories that may hold a kubernetes-<minor> directory each.
func libexecBases() []string {
	var bases []string
	if base := os.Getenv("AUTOMODE_LIBEXEC"); base != "" {
		bases = append(bases, base)
	}
	if self, err := os.Executable(); err == nil {
		bases = append(bases, filepath.Dir(self))
	}
	return bases
}

// libexec returns the directory with the Kubernetes components of a minor version.
func libexec(minor string) (string, error) {
	var tried []string
	for _, base := range libexecBases() {
		dir := filepath.Join(base, "kubernetes-"+minor)
		if _, err := os.Stat(filepath.Join(dir, "kube-apiserver")); err == nil {
			return dir, nil
		}
		tried = append(tried, dir)
	}
	return "", fail(BinariesMissing, "no Kubernetes %s components: looked in %s", minor, strings.Join(tried, ", "))
}

// programs are what real machines need from the distribution, and the package of each.
var programs = []struct{ name, pkg string }{
	{"nft", "nftables"}, {"runc", "runc"}, {"nsenter", "util-linux"}, {"mount", "mount"}, {"mkfs.ext4", "e2fsprogs"},
	{"ip", "iproute2"},
}

// machineKind decides between real and simulated machines; the reason says why not real.
func machineKind(want string) (kind, reason string, err error) {
	if want == machinesSimulated {
		return machinesSimulated, "", nil
	}
	problem := realMachinesProblem(os.Geteuid(), hasProgram)
	switch {
	case problem == nil:
		return machinesReal, "", nil
	case want == machinesReal:
		return "", "", problem
	}
	return machinesSimulated, problem.Error(), nil
}

// realMachinesProblem says why this host cannot run real machines, nil when it can.
func realMachinesProblem(user int, has func(program string) bool) error {
	if user != 0 {
		return fail(NeedsRoot, "real machines need root, this is user %d", user)
	}
	var missing, packages []string
	for _, p := range programs {
		if !has(p.name) {
			missing, packages = append(missing, p.name), append(packages, p.pkg)
		}
	}
	if len(missing) > 0 {
		return fail(PackagesMissing, "programs missing: %s (apt-get install %s)", strings.Join(missing, ", "), strings.Join(packages, " "))
	}
	probe := exec.Command("/proc/self/exe", "version", "--short")
	probe.SysProcAttr = &syscall.SysProcAttr{Cloneflags: syscall.CLONE_NEWNET | syscall.CLONE_NEWNS}
	if err := probe.Run(); err != nil {
		return fail(NeedsRoot, "this host does not let root make network and mount namespaces: %w", err)
	}
	return nil
}

// hasProgram looks in PATH and where distributions keep what only root needs.
func hasProgram(name string) bool {
	if _, err := exec.LookPath(name); err == nil {
		return true
	}
	for _, dir := range []string{"/usr/sbin", "/sbin"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode()&0o111 != 0 {
			return true
		}
	}
	return false
}

func checkDisk(dir home.Dir) error {
	existing := string(dir)
	for existing != "/" {
		if info, err := os.Stat(existing); err == nil {
			if !info.IsDir() {
				return fail(BadConfig, "home directory %s cannot be made: %s is a file", dir, existing)
			}
			break
		}
		existing = filepath.Dir(existing)
	}
	var fs syscall.Statfs_t
	if err := syscall.Statfs(existing, &fs); err != nil {
		return fmt.Errorf("asking for free space at %s: %w", existing, err)
	}
	if free := int64(fs.Bavail) * fs.Bsize; free < freeSpaceWanted.Value() {
		return fail(DiskFull, "%s has %d MiB free, a cluster needs %s", existing, free>>20, freeSpaceWanted.String())
	}
	return nil
}

func checkPort(ctx context.Context, port int) error {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp4", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return fail(PortTaken, "port %d on 127.0.0.1 cannot be used: %w", port, err)
	}
	return l.Close()
}
