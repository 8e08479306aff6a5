// Package cni is the CNI plugin of a node: the runtime runs it once per operation, it asks the node's address manager for
// an address and connects the pod's network namespace. It keeps no state and chooses no address.
package cni

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/containernetworking/cni/pkg/skel"
	"github.com/containernetworking/cni/pkg/types"
	current "github.com/containernetworking/cni/pkg/types/100"
	"github.com/containernetworking/cni/pkg/version"

	"github.com/automode-dev/automode/network/agent"
	"github.com/automode-dev/automode/network/datapath"
	"github.com/automode-dev/automode/network/ipam"
)

// PluginType is the plugin's name in configuration lists and the name of its executable.
const PluginType = "automode"

// errNotAvailable is CNI's error code for a plugin that can not serve ADD now.
const errNotAvailable = 50

// patience is how long an operation may take; the runtime gives up after some minutes.
const patience = 60 * time.Second

// config is the plugin's configuration.
type config struct {
	types.PluginConf
	Socket        string `json:"socket,omitempty"`
	RuntimeConfig struct {
		PortMappings []ipam.PortMapping `json:"portMappings,omitempty"`
	} `json:"runtimeConfig,omitempty"`
}

// podArgs is what a Kubernetes runtime says about the pod in CNI_ARGS.
type podArgs struct {
	types.CommonArgs
	K8S_POD_NAMESPACE types.UnmarshallableString
	K8S_POD_NAME      types.UnmarshallableString
	K8S_POD_UID       types.UnmarshallableString
}

// Called tells whether the process was started as a CNI plugin.
func Called() bool { return os.Getenv("CNI_COMMAND") != "" }

// Main does what CNI_COMMAND says, prints the result as CNI defines it, and exits.
func Main() {
	skel.PluginMainFuncs(skel.CNIFuncs{Add: add, Del: del, Check: check, GC: gc, Status: status},
		version.PluginSupports("0.4.0", "1.0.0", "1.1.0"), "automode: VPC addresses for pods")
}

// ConfigList returns the configuration list that makes a runtime use the plugin.
func ConfigList(socket string) []byte {
	list := map[string]any{
		"cniVersion": "1.0.0",
		"name":       "automode",
		"plugins": []any{map[string]any{
			"type": PluginType, "socket": socket, "capabilities": map[string]bool{"portMappings": true},
		}},
	}
	data, err := json.MarshalIndent(list, "", "  ")
	if err != nil {
		panic(err) // only strings and maps: can not happen
	}
	return append(data, '\n')
}

func parse(data []byte) (config, error) {
	c := config{Socket: agent.Socket}
	if err := json.Unmarshal(data, &c); err != nil {
		return c, types.NewError(types.ErrDecodingFailure, "reading plugin configuration", err.Error())
	}
	if err := version.ParsePrevResult(&c.PluginConf); err != nil {
		return c, types.NewError(types.ErrDecodingFailure, "reading previous result", err.Error())
	}
	return c, nil
}

func key(args *skel.CmdArgs) ipam.Key {
	return ipam.Key{ContainerID: args.ContainerID, IfName: args.IfName}
}

func add(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	var about podArgs
	if err := types.LoadArgs(args.Args, &about); err != nil {
		return types.NewError(types.ErrInvalidEnvironmentVariables, "reading CNI_ARGS", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	request := agent.AttachRequest{
		Key:       key(args),
		Owner:     ipam.Owner{Namespace: string(about.K8S_POD_NAMESPACE), Pod: string(about.K8S_POD_NAME), UID: string(about.K8S_POD_UID)},
		HostPorts: agent.UsablePorts(c.RuntimeConfig.PortMappings),
	}
	client := agent.NewClient(c.Socket)
	reply, err := client.Attach(ctx, request)
	if err != nil {
		return types.NewError(types.ErrTryAgainLater, "getting an address for the pod", err.Error())
	}
	pod := connection(args, reply)
	pod.Label, pod.HostPorts = agent.Label(request.Key, request.Owner), len(request.HostPorts) > 0
	host, inside, err := datapath.Connect(pod)
	if err != nil {
		_ = client.Detach(ctx, request.Key) // the runtime calls DEL as well
		return types.NewError(types.ErrInternal, "connecting the pod", err.Error())
	}
	return types.PrintResult(result(args.Netns, reply, host, inside), c.CNIVersion)
}

func connection(args *skel.CmdArgs, reply agent.AttachReply) datapath.Pod {
	return datapath.Pod{
		NetNS: args.Netns, IfName: args.IfName, Veth: datapath.VethName(args.ContainerID, args.IfName),
		Address: reply.Address, MTU: reply.MTU,
	}
}

func result(sandbox string, reply agent.AttachReply, host, inside datapath.Link) *current.Result {
	inPod := 1
	return &current.Result{
		CNIVersion: current.ImplementedSpecVersion,
		Interfaces: []*current.Interface{
			{Name: host.Name, Mac: host.MAC},
			{Name: inside.Name, Mac: inside.MAC, Sandbox: sandbox},
		},
		IPs: []*current.IPConfig{{
			Interface: &inPod,
			Address:   net.IPNet{IP: reply.Address.AsSlice(), Mask: net.CIDRMask(32, 32)},
			Gateway:   datapath.Gateway.AsSlice(),
		}},
		Routes: []*types.Route{{
			Dst: net.IPNet{IP: net.IPv4zero.To4(), Mask: net.CIDRMask(0, 32)},
			GW:  datapath.Gateway.AsSlice(),
		}},
	}
}

// del works without the pod's network namespace, which may be gone, and may be called any number of times.
func del(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	if err := datapath.Disconnect(datapath.VethName(args.ContainerID, args.IfName)); err != nil {
		return types.NewError(types.ErrInternal, "disconnecting the pod", err.Error())
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := agent.NewClient(c.Socket).Detach(ctx, key(args)); err != nil {
		return types.NewError(types.ErrTryAgainLater, "releasing the pod's address", err.Error())
	}
	return nil
}

func check(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	reply, err := agent.NewClient(c.Socket).Get(ctx, key(args))
	if err != nil {
		return types.NewError(types.ErrUnknownContainer, "checking the pod's address", err.Error())
	}
	if err := agreesWith(c.PrevResult, reply); err != nil {
		return types.NewError(types.ErrInternal, "checking the pod's address", err.Error())
	}
	if err := datapath.Check(connection(args, reply)); err != nil {
		return types.NewError(types.ErrInternal, "checking the pod's connection", err.Error())
	}
	return nil
}

// agreesWith compares the result that the runtime remembers with what the address manager knows.
func agreesWith(previous types.Result, reply agent.AttachReply) error {
	if previous == nil {
		return nil
	}
	remembered, err := current.GetResult(previous)
	if err != nil {
		return fmt.Errorf("converting the previous result: %w", err)
	}
	for _, ip := range remembered.IPs {
		if ip.Address.IP.String() == reply.Address.String() {
			return nil
		}
	}
	return fmt.Errorf("the pod's address is %s, which the previous result does not name", reply.Address)
}

func gc(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	keep := make([]ipam.Key, 0, len(c.ValidAttachments))
	for _, a := range c.ValidAttachments {
		keep = append(keep, ipam.Key{ContainerID: a.ContainerID, IfName: a.IfName})
	}
	if err := agent.NewClient(c.Socket).Keep(ctx, keep); err != nil {
		return types.NewError(types.ErrTryAgainLater, "collecting unused addresses", err.Error())
	}
	return nil
}

func status(args *skel.CmdArgs) error {
	c, err := parse(args.StdinData)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
	defer cancel()
	if err := agent.NewClient(c.Socket).Ready(ctx); err != nil {
		return types.NewError(errNotAvailable, "pods can not be connected", err.Error())
	}
	return nil
}
