package node

import (
	"context"
	"fmt"
	"net/netip"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/fields"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"

	"github.com/automode-dev/automode/api/eks/v1alpha1"
	"github.com/automode-dev/automode/network/agent"
)

// watchNetwork follows the node's CNINode and tells the address manager what it says.
func (n *running) watchNetwork(ctx context.Context) error {
	client, err := cniNodeClient(restConfig(n.Options, n.facts, ipamdUser))
	if err != nil {
		return err
	}
	source := cache.NewListWatchFromClient(client, "cninodes", "", fields.OneTermEqualSelector("metadata.name", n.facts.InstanceID))
	take := func(obj any) {
		if err := n.takePicture(ctx, obj.(*v1alpha1.CNINode)); err != nil {
			n.Log.Error("taking over the node's network", "error", err)
		}
	}
	_, informer := cache.NewInformerWithOptions(cache.InformerOptions{
		ListerWatcher: source, ObjectType: &v1alpha1.CNINode{},
		Handler: cache.ResourceEventHandlerFuncs{AddFunc: take, UpdateFunc: func(_, obj any) { take(obj) }},
	})
	informer.RunWithContext(ctx)
	return nil
}

func cniNodeClient(config *rest.Config) (*rest.RESTClient, error) {
	scheme := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(scheme); err != nil {
		return nil, fmt.Errorf("registering the CNINode type: %w", err)
	}
	metav1.AddToGroupVersion(scheme, v1alpha1.GroupVersion)
	config.GroupVersion = &v1alpha1.GroupVersion
	config.APIPath = "/apis"
	config.NegotiatedSerializer = serializer.NewCodecFactory(scheme).WithoutConversion()
	client, err := rest.RESTClientFor(config)
	if err != nil {
		return nil, fmt.Errorf("making a client for CNINodes: %w", err)
	}
	return client, nil
}

// takePicture hands a CNINode to the address manager. One that lists no interface yet says nothing: what the metadata told
// at boot stays.
func (n *running) takePicture(ctx context.Context, node *v1alpha1.CNINode) error {
	if len(node.Status.Interfaces) == 0 {
		return nil
	}
	picture, err := pictureOf(node)
	if err != nil {
		return fmt.Errorf("reading CNINode %s: %w", node.Name, err)
	}
	if len(picture.VPC) == 0 { // without it everything would be translated
		picture.VPC = n.facts.Network.VPC
	}
	return n.agent.SetPicture(ctx, picture)
}

func pictureOf(node *v1alpha1.CNINode) (agent.Picture, error) {
	p := &parser{}
	picture := agent.Picture{SNAT: node.Spec.SNATPolicy != "Disabled"}
	for _, cidr := range node.Status.VPCCIDRs {
		picture.VPC = append(picture.VPC, p.prefix(cidr))
	}
	for _, i := range node.Status.Interfaces {
		next := agent.Interface{
			ID: i.ID, MAC: i.MAC, DeviceIndex: int(i.DeviceIndex), Address: p.address(i.Address), Gateway: p.address(i.Gateway),
			Subnet: p.prefix(i.SubnetCIDR),
		}
		for _, prefix := range i.Prefixes {
			next.Pods = append(next.Pods, p.prefix(prefix))
		}
		for _, address := range i.Addresses {
			next.Pods = append(next.Pods, netip.PrefixFrom(p.address(address), 32))
		}
		if i.DeviceIndex == 0 {
			picture.NodeAddress = next.Address
		}
		picture.Interfaces = append(picture.Interfaces, next)
	}
	return picture, p.err
}

// parser keeps the first error.
type parser struct{ err error }

func (p *parser) address(text string) netip.Addr {
	address, err := netip.ParseAddr(text)
	if err != nil && p.err == nil {
		p.err = err
	}
	return address
}

func (p *parser) prefix(text string) netip.Prefix {
	prefix, err := netip.ParsePrefix(text)
	if err != nil && p.err == nil {
		p.err = err
	}
	return prefix
}
