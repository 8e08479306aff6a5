package controlplane

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"syscall"

	"github.com/automode-dev/automode/internal/forward"
	"github.com/automode-dev/automode/internal/host"
	"github.com/automode-dev/automode/internal/supervise"
)

// The names of the units, which are those of the components.
const (
	etcd              = "etcd"
	apiServer         = "kube-apiserver"
	controllerManager = "kube-controller-manager"
	scheduler         = "kube-scheduler"
	forwards          = "forward"
)

// flags are written one a line and sorted as a reader looks for them.
type flags []string

// unit is a component of the cluster with its flags.
func (p *plan) unit(component string, args flags) supervise.Unit {
	return supervise.Unit{
		Name: component, Path: p.spec.binary(component), Args: args,
		Env: p.environment(), Log: p.dir.log(component), NetNS: p.spec.NetNS,
	}
}

// environment of a component. The namespace's inode makes a unit differ when the
// namespace was made anew under the same name.
func (p *plan) environment() []string {
	info, err := os.Stat(p.spec.NetNS)
	if err != nil {
		return nil
	}
	return []string{fmt.Sprintf("AUTOMODE_NETNS=%d", info.Sys().(*syscall.Stat_t).Ino)}
}

func (p *plan) etcdUnit() supervise.Unit {
	ports, certs := p.ports, p.certs
	return p.unit(etcd, flags{
		"--name=" + p.spec.Name,
		"--data-dir=" + p.dir.data(),
		"--listen-client-urls=" + local(ports.Etcd),
		"--advertise-client-urls=" + local(ports.Etcd),
		"--listen-peer-urls=" + local(ports.EtcdPeer),
		"--initial-advertise-peer-urls=" + local(ports.EtcdPeer),
		"--initial-cluster=" + p.spec.Name + "=" + local(ports.EtcdPeer),
		"--client-cert-auth",
		"--cert-file=" + certs.etcdServer.Cert,
		"--key-file=" + certs.etcdServer.Key,
		"--trusted-ca-file=" + certs.etcd.BundleFile(),
		"--peer-client-cert-auth",
		"--peer-cert-file=" + certs.etcdPeer.Cert,
		"--peer-key-file=" + certs.etcdPeer.Key,
		"--peer-trusted-ca-file=" + certs.etcd.BundleFile(),
		"--log-level=warn",
	})
}

func (p *plan) apiServerUnit() supervise.Unit {
	s, ports, certs := p.spec, p.ports, p.certs
	args := flags{
		"--secure-port=" + fmt.Sprint(ports.API),
		"--allow-privileged=true",
		"--service-cluster-ip-range=" + s.ServiceCIDR.String(),
		"--feature-gates=NominatedNodeNameForExpectation=true", // nodes in the making are nominated from outside

		"--etcd-servers=" + local(ports.Etcd),
		"--etcd-cafile=" + certs.etcd.BundleFile(),
		"--etcd-certfile=" + certs.etcdClient.Cert,
		"--etcd-keyfile=" + certs.etcdClient.Key,
		"--encryption-provider-config=" + p.dir.config("encryption.yaml"),

		"--tls-cert-file=" + certs.apiServer.Cert,
		"--tls-private-key-file=" + certs.apiServer.Key,
		"--anonymous-auth=false",
		"--client-ca-file=" + certs.cluster.BundleFile(),
		"--authentication-token-webhook-config-file=" + p.dir.config("authenticator.kubeconfig"),
		"--authentication-token-webhook-version=v1",
		"--authentication-token-webhook-cache-ttl=30s", // how long a removed access entry still opens
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",

		"--service-account-issuer=" + s.IssuerURL,
		"--service-account-key-file=" + certs.serviceAccountPublic,
		"--service-account-signing-key-file=" + certs.serviceAccountKey,

		"--kubelet-certificate-authority=" + certs.cluster.BundleFile(),
		"--kubelet-client-certificate=" + certs.kubeletClient.Cert,
		"--kubelet-client-key=" + certs.kubeletClient.Key,
		"--kubelet-preferred-address-types=InternalIP", // instance ids are in no DNS

		"--enable-aggregator-routing=true", // no kube-proxy here: Services are reached by their endpoints
		"--proxy-client-cert-file=" + certs.frontProxyClient.Cert,
		"--proxy-client-key-file=" + certs.frontProxyClient.Key,
		"--requestheader-client-ca-file=" + certs.frontProxy.BundleFile(),
		"--requestheader-allowed-names=front-proxy-client",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",

		"--shutdown-send-retry-after=true", // ends within seconds, not when the last watch does
		"--profiling=false",
	}
	if s.NetNS != "" {
		args = append(args, "--bind-address=0.0.0.0", "--advertise-address="+s.Address.String())
	} else {
		// A loopback address may not be an endpoint of the Service "kubernetes".
		args = append(args, "--bind-address=127.0.0.1", "--advertise-address=127.0.0.1", "--endpoint-reconciler-type=none")
	}
	args = append(args, boundRequests(runtime.NumCPU())...)
	unit := p.unit(apiServer, args)
	unit.Env = append(unit.Env, collectGarbageLess()...)
	return unit
}

// boundRequests limits the requests that an API server works at to what a machine's processors get done soon, up to its
// own defaults. What is above the limits is queued by priority and fairly. With hundreds at a time nothing was ever queued:
// each took seconds, the scheduler waited for each of its own, and the leases of a thousand nodes were renewed too late.
func boundRequests(processors int) flags {
	return flags{
		fmt.Sprintf("--max-requests-inflight=%d", min(20*processors, 400)),
		fmt.Sprintf("--max-mutating-requests-inflight=%d", min(10*processors, 200)),
	}
}

// collectGarbageLess makes a process collect garbage when its memory has grown fourfold, not twofold, as long as it takes
// less than a quarter of the machine's. A third of an API server's work was that while nodes came by the hundred; an idle
// one takes some 100 MiB more for it.
func collectGarbageLess() []string {
	env := []string{"GOGC=300"}
	if memory := host.Memory(); memory > 0 {
		env = append(env, fmt.Sprintf("GOMEMLIMIT=%dMiB", memory>>22))
	}
	return env
}

func (p *plan) controllerManagerUnit() supervise.Unit {
	certs, kubeconfig := p.certs, p.dir.config("kube-controller-manager.kubeconfig")
	return p.unit(controllerManager, flags{
		"--kubeconfig=" + kubeconfig,
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + fmt.Sprint(p.ports.ControllerManager),
		"--tls-cert-file=" + certs.controllerManagerServer.Cert,
		"--tls-private-key-file=" + certs.controllerManagerServer.Key,
		"--leader-elect=false",
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--cluster-name=" + p.spec.Name,
		"--service-cluster-ip-range=" + p.spec.ServiceCIDR.String(),
		"--allocate-node-cidrs=false",     // pods have VPC addresses
		"--controllers=*,-ttl-controller", // kubelets watch Secrets; how long they may cache them would be written on every Node
		"--cluster-signing-cert-file=" + certs.cluster.CertFile(),
		"--cluster-signing-key-file=" + certs.cluster.KeyFile(),
		"--root-ca-file=" + certs.cluster.BundleFile(),
		"--service-account-private-key-file=" + certs.serviceAccountKey,
		"--use-service-account-credentials=true",
		"--profiling=false",
	})
}

func (p *plan) schedulerUnit() supervise.Unit {
	certs, kubeconfig := p.certs, p.dir.config("kube-scheduler.kubeconfig")
	return p.unit(scheduler, flags{
		"--config=" + p.dir.config("kube-scheduler.yaml"),
		"--feature-gates=NominatedNodeNameForExpectation=true",
		"--authentication-kubeconfig=" + kubeconfig,
		"--authorization-kubeconfig=" + kubeconfig,
		"--bind-address=127.0.0.1",
		"--secure-port=" + fmt.Sprint(p.ports.Scheduler),
		"--tls-cert-file=" + certs.schedulerServer.Cert,
		"--tls-private-key-file=" + certs.schedulerServer.Key,
	})
}

// forwardUnit joins the host and the cluster's namespace: the API server for
// clients on the host, the authenticator for the API server.
func (p *plan) forwardUnit() supervise.Unit {
	authenticator, err := p.spec.authenticator()
	if err != nil { // validated
		panic(err)
	}
	rules := forward.Args(
		forward.Rule{
			Listen: forward.Endpoint{Addr: strings.TrimPrefix(p.spec.endpoint(), "https://")},
			Dial:   forward.Endpoint{Addr: loopback(p.ports.API), NetNS: p.spec.NetNS},
		},
		forward.Rule{
			Listen: forward.Endpoint{Addr: authenticator, NetNS: p.spec.NetNS},
			Dial:   forward.Endpoint{Addr: authenticator},
		})
	return supervise.Unit{
		Name: forwards, Path: p.spec.Automode, Args: append([]string{"forward"}, rules...),
		Env: p.environment(), Log: p.dir.log(forwards),
	}
}
