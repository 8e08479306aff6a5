package solver

import (
	"fmt"
	"math"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// tooLarge says which resource no type has enough of, and by how much the
// largest falls short.
func (p *problem) tooLarge(c *class, pl *pool, bits bitset) Reason {
	best, bestMiss, bestDim := -1, math.Inf(1), 0
	bits.each(func(i int) bool {
		t := p.off.list[i].typ
		miss, dim := 0.0, 0
		for d, n := range c.vec {
			if n <= 0 || n <= pl.room[t][d] {
				continue
			}
			if m := float64(n-pl.room[t][d]) / float64(n); m > miss {
				miss, dim = m, d
			}
		}
		if miss < bestMiss {
			best, bestMiss, bestDim = t, miss, dim
		}
		return true
	})
	if best < 0 {
		return Reason{pl.Name, ReasonResources, "no available instance type"}
	}
	name := p.res.names[bestDim]
	return Reason{pl.Name, ReasonResources, fmt.Sprintf("no instance type has enough room: asks for %s of %s, %s comes nearest with %s",
		p.quantity(name, c.vec[bestDim]), name, p.off.types[best].Name, p.quantity(name, pl.room[best][bestDim]))}
}

// quantity writes an amount of a resource as Kubernetes does.
func (p *problem) quantity(name corev1.ResourceName, n int64) string {
	switch name {
	case corev1.ResourceCPU:
		return resource.NewMilliQuantity(n, resource.DecimalSI).String()
	case corev1.ResourceMemory, corev1.ResourceEphemeralStorage:
		return resource.NewQuantity(n, resource.BinarySI).String()
	}
	return resource.NewQuantity(n, resource.DecimalSI).String()
}

func pinString(pins conditions) string {
	var words []string
	for _, pin := range pins {
		if v, ok := pin.set.single(); ok {
			words = append(words, pin.key+"="+v)
		} else {
			words = append(words, "no "+pin.key)
		}
	}
	return strings.Join(words, ", ")
}
