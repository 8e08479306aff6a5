package eks

import (
	"fmt"
	"net"

	"github.com/automode-dev/automode/localcloud/store"
)

// portsTried bounds the search for a free port.
const portsTried = 1000

// reservePort finds a loopback port for an API server that no recorded cluster
// has and nobody listens on. It stays reserved until releasePort.
func (s *Service) reservePort() (int, error) {
	taken := map[int]bool{}
	err := s.db.View(func(tx *store.Tx) error {
		return store.Each(tx, bucketClusters, "", func(_ string, r record) error {
			taken[r.HostPort] = true
			return nil
		})
	})
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for port := s.o.FirstPort; port < s.o.FirstPort+portsTried; port++ {
		if !taken[port] && !s.reserved[port] && free(port) {
			s.reserved[port] = true
			return port, nil
		}
	}
	return 0, fmt.Errorf("finding a port for the API server: all of %d to %d are taken", s.o.FirstPort, s.o.FirstPort+portsTried-1)
}

func (s *Service) releasePort(port int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.reserved, port)
}

func free(port int) bool {
	l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	if err != nil {
		return false
	}
	return l.Close() == nil
}
