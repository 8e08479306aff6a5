package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/automode-dev/automode/network/ipam"
)

// restore reads the checkpoint and adds what the kernel knows beyond it.
func (a *Agent) restore() error {
	snapshot, err := readCheckpoint(a.Checkpoint)
	if err != nil {
		a.Log.Warn("checkpoint is lost; learning pods from the kernel", "error", err)
	}
	a.pool = ipam.New(snapshot)
	connected, err := a.Kernel.Pods()
	if err != nil {
		return fmt.Errorf("learning the pods that are connected: %w", err)
	}
	var cached map[ipam.Key]ipam.Attachment
	for _, pod := range connected {
		key, owner, ok := parseLabel(pod.Label)
		if !ok {
			continue
		}
		if have, ok := a.pool.Get(key); ok && have.Address == pod.Address {
			continue
		}
		if cached == nil {
			cached = readCNICache(a.CNICache)
		}
		attachment := ipam.Attachment{Key: key, Owner: owner, Address: pod.Address, Since: a.Clock.Now()}
		if known, ok := cached[key]; ok {
			attachment.Owner, attachment.HostPorts = known.Owner, known.HostPorts
		}
		a.pool.Adopt(attachment)
	}
	return nil
}

// readCheckpoint returns what a file holds; a file that was never written is an empty snapshot.
func readCheckpoint(path string) (s ipam.Snapshot, err error) {
	data, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, fmt.Errorf("reading checkpoint: %w", err)
	}
	if err := json.Unmarshal(data, &s); err != nil {
		return ipam.Snapshot{}, fmt.Errorf("reading checkpoint %s: %w", path, err)
	}
	return s, nil
}

// save writes the checkpoint; the rename makes it whole or not at all.
func (a *Agent) save() error {
	data, err := json.Marshal(a.pool.Snapshot())
	if err != nil {
		return fmt.Errorf("encoding checkpoint: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(a.Checkpoint), 0o755); err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	temporary := a.Checkpoint + ".new"
	if err := os.WriteFile(temporary, data, 0o600); err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	if err := os.Rename(temporary, a.Checkpoint); err != nil {
		return fmt.Errorf("writing checkpoint: %w", err)
	}
	return nil
}

// cacheEntry is what CNI's library keeps of each attachment it made for the runtime.
type cacheEntry struct {
	ContainerID    string      `json:"containerId"`
	IfName         string      `json:"ifName"`
	Args           [][2]string `json:"cniArgs"`
	CapabilityArgs struct {
		PortMappings []ipam.PortMapping `json:"portMappings"`
	} `json:"capabilityArgs"`
}

// readCNICache returns the owners and host ports of the runtime's attachments, without addresses. Entries that can not be
// read are left out: the kernel's word is enough to keep their addresses.
func readCNICache(dir string) map[ipam.Key]ipam.Attachment {
	attachments := map[ipam.Key]ipam.Attachment{}
	files, _ := filepath.Glob(filepath.Join(dir, "results", "*"))
	for _, file := range files {
		data, err := os.ReadFile(file)
		var entry cacheEntry
		if err != nil || json.Unmarshal(data, &entry) != nil {
			continue
		}
		key := ipam.Key{ContainerID: entry.ContainerID, IfName: entry.IfName}
		attachment := ipam.Attachment{Key: key, HostPorts: UsablePorts(entry.CapabilityArgs.PortMappings)}
		for _, arg := range entry.Args {
			switch arg[0] {
			case "K8S_POD_NAMESPACE":
				attachment.Namespace = arg[1]
			case "K8S_POD_NAME":
				attachment.Pod = arg[1]
			case "K8S_POD_UID":
				attachment.UID = arg[1]
			}
		}
		attachments[key] = attachment
	}
	return attachments
}

// UsablePorts drops the mappings without a host port, which a runtime may pass for every container port, and writes
// protocols as nftables does.
func UsablePorts(ports []ipam.PortMapping) (usable []ipam.PortMapping) {
	for _, p := range ports {
		if p.HostPort > 0 {
			p.Protocol = strings.ToLower(p.Protocol)
			usable = append(usable, p)
		}
	}
	return usable
}
