package node

import (
	"fmt"
	"strings"
)

// SandboxImage holds the process that keeps a pod's namespaces; the local cloud's registry has it from the start.
const SandboxImage = "localhost/automode/pause:1"

// upstreamSandboxImage is used where no local registry is near.
const upstreamSandboxImage = "registry.k8s.io/pause:3.10.1"

// extraContainerdConfig holds what the node configuration adds; containerd lays it over its own.
const extraContainerdConfig = "containerd/extra.toml"

// containerdSocket is where kubelet finds the runtime.
const containerdSocket = "/run/containerd/containerd.sock"

// containerdConfig renders containerd's configuration (version 3). restrictOOM keeps runc from lowering an OOM score where the node may not.
func containerdConfig(o Options, f Facts, restrictOOM bool) string {
	sandbox := upstreamSandboxImage
	if o.Mirror != "" {
		sandbox = SandboxImage
	}
	imports := ""
	if f.Config.Spec.Containerd.Config != "" {
		imports = fmt.Sprintf("imports = [%q]", o.path(etc, extraContainerdConfig))
	}
	lines := []string{
		`version = 3`,
		imports,
		`root = "` + o.path(containerd) + `"`,
		`state = "` + o.path("run/containerd") + `"`,
		`disabled_plugins = ["io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp", "io.containerd.nri.v1.nri", "io.containerd.snapshotter.v1.erofs", "io.containerd.snapshotter.v1.devmapper", "io.containerd.snapshotter.v1.zfs", "io.containerd.snapshotter.v1.blockfile"]`,
		``,
		`[grpc]`,
		`  address = "` + o.path(containerdSocket) + `"`,
		``,
		`[plugins."io.containerd.cri.v1.images"]`,
		`  snapshotter = "overlayfs"`,
		`  [plugins."io.containerd.cri.v1.images".pinned_images]`,
		`    sandbox = "` + sandbox + `"`,
		`  [plugins."io.containerd.cri.v1.images".registry]`,
		`    config_path = "` + o.path(etc, "containerd/certs.d") + `"`,
		``,
		`[plugins."io.containerd.cri.v1.runtime"]`,
		fmt.Sprintf(`  restrict_oom_score_adj = %t`, restrictOOM),
		`  [plugins."io.containerd.cri.v1.runtime".cni]`,
		`    bin_dirs = ["` + o.Binaries + `"]`,
		`    conf_dir = "` + o.path(cniConf) + `"`,
		`    use_internal_loopback = true`,
		`  [plugins."io.containerd.cri.v1.runtime".containerd]`,
		`    default_runtime_name = "runc"`,
		`    [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]`,
		`      runtime_type = "io.containerd.runc.v2"`,
		`      [plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]`,
		fmt.Sprintf(`        SystemdCgroup = %t`, o.Cgroup == ""),
		``,
	}
	return strings.Join(lines, "\n")
}

// mirrorConfig makes containerd ask one registry for every image first; containerd names the image's own registry in the
// query parameter ns. An answer of 404 sends it on to that registry.
func mirrorConfig(mirror string) string {
	return fmt.Sprintf("[host.%q]\n  capabilities = [\"pull\", \"resolve\"]\n", mirror)
}
