package main

import (
	"context"
	"os"
	_ "time/tzdata" // CronJobs name time zones, and the host may have no zone files

	"github.com/containerd/containerd/v2/cmd/containerd/command"
	ctr "github.com/containerd/containerd/v2/cmd/ctr/app"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/etcdmain"
	"k8s.io/component-base/cli"
	"k8s.io/component-base/logs"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	_ "github.com/containerd/containerd/v2/cmd/containerd/builtins"
	_ "k8s.io/client-go/plugin/pkg/client/auth"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"

	"github.com/automode-dev/automode/kubernetes/internal/hardware"
)

// components maps each name the binary answers to onto its entry point. An
// entry point gets os.Args-like arguments and returns the exit code.
var components = map[string]func(args []string) int{
	"containerd":              runContainerd,
	"ctr":                     runCtr,
	"etcd":                    runEtcd,
	"kube-apiserver":          runCobra(func() *cobra.Command { return apiserver.NewAPIServerCommand() }),
	"kube-controller-manager": runCobra(func() *cobra.Command { return controllermanager.NewControllerManagerCommand() }),
	"kube-proxy":              runCobra(func() *cobra.Command { return proxy.NewProxyCommand() }),
	"kube-scheduler":          runCobra(func() *cobra.Command { return scheduler.NewSchedulerCommand() }),
	"kubectl":                 runKubectl,
	"kubelet":                 runCobra(newKubelet),
}

// newKubelet returns the upstream kubelet, or the one that reports the
// capacity in the hardware file where one is named.
func newKubelet() *cobra.Command {
	if path := os.Getenv(hardware.FileVariable); path != "" {
		return hardware.NewKubeletCommand(path)
	}
	return kubelet.NewKubeletCommand(context.Background())
}

// runCobra adapts a component built on k8s.io/component-base/cli. The command
// is made only when it runs: making all of them costs memory in each process.
func runCobra(newCommand func() *cobra.Command) func([]string) int {
	return func(args []string) int {
		os.Args = args
		return cli.Run(newCommand())
	}
}

func runKubectl(args []string) int {
	os.Args = args
	// kubectl logs while its commands are being made, before flags are parsed.
	_, _ = logs.GlogSetter(kubectl.GetLogVerbosity(args))
	if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
		kubectlutil.CheckErr(err)
	}
	return 0
}

func runEtcd(args []string) int {
	etcdmain.Main(args)
	return 0
}

// runContainerd gives containerd a metrics registry of its own: it registers gRPC metrics by names that a library of etcd
// has taken in the common one, and panics.
func runContainerd(args []string) int {
	own := prometheus.NewRegistry()
	prometheus.DefaultRegisterer, prometheus.DefaultGatherer = own, own
	return report("containerd", command.App().Run(args))
}

func runCtr(args []string) int {
	return report("ctr", ctr.New().Run(args))
}
