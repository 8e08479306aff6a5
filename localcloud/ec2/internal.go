package ec2

import (
	"slices"

	"github.com/automode-dev/automode/localcloud/ec2/images"
)

// hostPorts are the ports of the host that machines of a VPC reach on their own loopback.
func (s *Service) hostPorts(vpcID string) []int {
	s.portsMu.Lock()
	defer s.portsMu.Unlock()
	return append(slices.Clone(s.ports), s.vpcPorts[vpcID]...)
}

// kubernetesOf is the Kubernetes version of an image.
func kubernetesOf(imageID, region string) string {
	for _, i := range images.All() {
		if i.ID(region) == imageID {
			return i.Kubernetes
		}
	}
	return ""
}
