package node

import (
	"context"
	"encoding/json"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/automode-dev/automode/api/node/v1alpha1"
	"github.com/automode-dev/automode/network/agent"
)

// Facts are what a node knows about its machine and its cluster before it starts anything.
type Facts struct {
	InstanceID, InstanceType, Region, Zone string
	Config                                 v1alpha1.NodeConfig
	MAC                                    string // of the primary interface
	Network                                agent.Picture
}

// ProviderID is the node's name in EC2 as Kubernetes writes it.
func (f Facts) ProviderID() string { return "aws:///" + f.Zone + "/" + f.InstanceID }

// patience is how long a restarted agent waits for the metadata before it goes on with what it knew.
const patience = 5 * time.Second

// ReadFacts asks the instance metadata service until it answers with a whole picture. An agent that is restarted while the
// service is away goes on with the facts of before: its pods need it now.
func ReadFacts(ctx context.Context, o Options) (Facts, error) {
	started := time.Now()
	for {
		attempt, cancel := context.WithTimeout(ctx, patience)
		facts, err := readFacts(attempt, o.Metadata)
		cancel()
		if err == nil {
			return facts, saveFacts(o.path(factsFile), facts)
		}
		if before, ok := loadFacts(o.path(factsFile)); ok && time.Since(started) > patience {
			o.Log.Warn("going on with the facts of before", "error", err)
			return before, nil
		}
		o.Log.Warn("instance metadata is not complete yet", "error", err)
		select {
		case <-ctx.Done():
			return Facts{}, fmt.Errorf("waiting for instance metadata: %w", err)
		case <-time.After(time.Second):
		}
	}
}

func saveFacts(path string, f Facts) error {
	data, err := json.Marshal(f)
	if err != nil {
		return fmt.Errorf("saving the facts of the machine: %w", err)
	}
	return writeFile(path, data)
}

// loadFacts returns what was saved since the machine booted.
func loadFacts(path string) (f Facts, ok bool) {
	data, err := os.ReadFile(path)
	return f, err == nil && json.Unmarshal(data, &f) == nil
}

func readFacts(ctx context.Context, m Metadata) (f Facts, err error) {
	userData, err := m.UserData(ctx)
	if err != nil {
		return f, err
	}
	if f.Config, err = v1alpha1.ParseUserData([]byte(userData)); err != nil {
		return f, err
	}
	reader := metadataReader{ctx: ctx, source: m}
	f.InstanceID = reader.required("instance-id")
	f.InstanceType = reader.required("instance-type")
	f.Region = reader.required("placement/region")
	f.Zone = reader.required("placement/availability-zone")
	f.MAC = reader.required("mac")
	f.Network = reader.network(f.MAC)
	return f, reader.err
}

// metadataReader remembers the first error, so that reading many values stays readable.
type metadataReader struct {
	ctx    context.Context
	source Metadata
	err    error
}

func (r *metadataReader) optional(path string) string {
	if r.err != nil {
		return ""
	}
	text, err := r.source.Get(r.ctx, path)
	r.err = err
	return strings.TrimSpace(text)
}

func (r *metadataReader) required(path string) string {
	text := r.optional(path)
	if text == "" && r.err == nil {
		r.err = fmt.Errorf("instance metadata %q is empty", path)
	}
	return text
}

// network describes the interfaces at launch. Prefixes that are assigned later are told by the CNINode.
func (r *metadataReader) network(primary string) agent.Picture {
	picture := agent.Picture{SNAT: true}
	for _, mac := range strings.Fields(r.required("network/interfaces/macs/")) {
		mac = strings.TrimSuffix(mac, "/")
		i := r.networkInterface(mac)
		picture.Interfaces = append(picture.Interfaces, i)
		if mac == primary {
			picture.NodeAddress = i.Address
			picture.VPC = r.prefixes("network/interfaces/macs/" + mac + "/vpc-ipv4-cidr-blocks")
		}
	}
	if r.err == nil && !picture.NodeAddress.IsValid() {
		r.err = fmt.Errorf("instance metadata lists no interface %s with an address", primary)
	}
	return picture
}

func (r *metadataReader) networkInterface(mac string) agent.Interface {
	base := "network/interfaces/macs/" + mac + "/"
	i := agent.Interface{ID: r.required(base + "interface-id"), MAC: mac, Pods: r.prefixes(base + "ipv4-prefix")}
	if text := r.optional(base + "device-number"); text != "" && r.err == nil {
		i.DeviceIndex, r.err = strconv.Atoi(text)
	}
	for n, text := range strings.Fields(r.required(base + "local-ipv4s")) {
		address := parsed(r, text, netip.ParseAddr)
		if n == 0 {
			i.Address = address
		} else if address.IsValid() {
			i.Pods = append(i.Pods, netip.PrefixFrom(address, 32))
		}
	}
	i.Subnet = parsed(r, r.required(base+"subnet-ipv4-cidr-block"), netip.ParsePrefix)
	if i.Subnet.IsValid() {
		i.Gateway = i.Subnet.Masked().Addr().Next()
	}
	return i
}

func (r *metadataReader) prefixes(path string) (prefixes []netip.Prefix) {
	for _, text := range strings.Fields(r.optional(path)) {
		prefixes = append(prefixes, parsed(r, text, netip.ParsePrefix))
	}
	return prefixes
}

func parsed[T any](r *metadataReader, text string, parse func(string) (T, error)) (value T) {
	if r.err != nil {
		return value
	}
	value, err := parse(text)
	if err != nil {
		r.err = fmt.Errorf("reading instance metadata: %w", err)
	}
	return value
}
