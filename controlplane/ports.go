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
// One that somebody else has taken while its process was down is replaced.
func choosePorts(s Spec, d directory, running func(component string) bool) (ports, error) {
	if err := checkHostPort(s, running); err != nil {
		return ports{}, err
	}
	if s.NetNS != "" {
		return usual, nil
	}
	file := d.config("ports.json")
	var p ports
	if data, err := os.ReadFile(file); err == nil {
		if err := json.Unmarshal(data, &p); err != nil {
			return ports{}, fmt.Errorf("parsing ports in %s: %w", file, err)
		}
	} else if !errors.Is(err, fs.ErrNotExist) {
		return ports{}, fmt.Errorf("reading ports: %w", err)
	}
	if err := p.replaceTaken(running); err != nil {
		return ports{}, err
	}
	p.API = s.HostPort
	data, err := json.Marshal(p)
	if err != nil {
		return ports{}, fmt.Errorf("encoding ports: %w", err)
	}
	return p, writeConfig(file, data)
}

// checkHostPort fails when another process has the one port that cannot be
// chosen freely.
func checkHostPort(s Spec, running func(component string) bool) error {
	listens := forwards
	if s.NetNS == "" {
		listens = apiServer
	}
	if running(listens) {
		return nil
	}
	l, err := net.Listen("tcp", loopback(s.HostPort))
	if err != nil {
		return fmt.Errorf("taking port %d of the host for the API server: %w", s.HostPort, err)
	}
	return l.Close()
}

// replaceTaken asks the kernel for ports where there is none yet or where one is
// taken, for all at once so that they differ.
func (p *ports) replaceTaken(running func(component string) bool) error {
	for _, user := range []struct {
		component string
		port      *int
	}{
		{etcd, &p.Etcd}, {etcd, &p.EtcdPeer}, {controllerManager, &p.ControllerManager}, {scheduler, &p.Scheduler},
	} {
		if running(user.component) {
			continue
		}
		l, err := net.Listen("tcp", loopback(*user.port))
		if err != nil {
			if l, err = net.Listen("tcp", loopback(0)); err != nil {
				return fmt.Errorf("finding a free port for %s: %w", user.component, err)
			}
		}
		defer l.Close()
		*user.port = l.Addr().(*net.TCPAddr).Port
	}
	return nil
}

// loopback is the address of a port inside the cluster's namespace.
func loopback(port int) string { return net.JoinHostPort("127.0.0.1", strconv.Itoa(port)) }

func local(port int) string { return "https://" + loopback(port) }
