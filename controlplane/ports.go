package controlplane

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"strconv"
)

// ports are the loopback ports of the processes, of NetNS or of the host.
type ports struct {
	API               int `json:"api"`
	Etcd              int `json:"etcd"`
	EtcdPeer          int `json:"etcdPeer"`
	ControllerManager int `json:"controllerManager"`
	Scheduler         int `json:"scheduler"`
}

// usual are the ports upstream. A namespace of the cluster's own has them free.
var usual = ports{API: 443, Etcd: 2379, EtcdPeer: 2380, ControllerManager: 10257, Scheduler: 10259}

// choosePorts returns the usual ports in a namespace. On the host it allocates
// some, which stay the same from then on: the processes may be running there.
func choosePorts(s Spec, d directory) (ports, error) {
	if s.NetNS != "" {
		return usual, nil
	}
	file := d.config("ports.json")
	var p ports
	data, err := os.ReadFile(file)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if p, err = freePorts(); err != nil {
			return ports{}, err
		}
	case err != nil:
		return ports{}, fmt.Errorf("reading ports: %w", err)
	default:
		if err := json.Unmarshal(data, &p); err != nil {
			return ports{}, fmt.Errorf("parsing ports in %s: %w", file, err)
		}
	}
	p.API = s.HostPort
	if data, err = json.Marshal(p); err != nil {
		return ports{}, fmt.Errorf("encoding ports: %w", err)
	}
	return p, writeConfig(file, data)
}

// freePorts asks the kernel for ports, all at once so that they differ.
func freePorts() (ports, error) {
	var p ports
	for _, port := range []*int{&p.Etcd, &p.EtcdPeer, &p.ControllerManager, &p.Scheduler} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, fmt.Errorf("finding a free port: %w", err)
		}
		defer l.Close()
		*port = l.Addr().(*net.TCPAddr).Port
	}
	return p, nil
}

// loopback is the address of a port inside the cluster's namespace.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func local(port int) string { return "https://" + loopback(port) }
