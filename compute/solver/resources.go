package solver

import (
	"math"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
)

// vector is an amount of each resource: cpu in thousandths, everything else in
// units. The positions are those of the problem's resource table.
type vector []int64

const (
	dimCPU = iota
	dimMemory
	dimPods
	fixedDims
)

// unlimited stands for a resource that a node does not restrict. Sums of a
// few thousand such amounts do not overflow.
const unlimited = math.MaxInt64 >> 14

// resourceTable numbers the resources that pods ask for.
type resourceTable struct {
	index  map[corev1.ResourceName]int
	names  []corev1.ResourceName
	frozen bool // no pod to place asks for other resources
}

func newResourceTable() *resourceTable {
	t := &resourceTable{index: map[corev1.ResourceName]int{}}
	t.dim(corev1.ResourceCPU)
	t.dim(corev1.ResourceMemory)
	t.dim(corev1.ResourcePods)
	return t
}

// dim is the position of a resource, -1 where the table is frozen without it.
func (t *resourceTable) dim(name corev1.ResourceName) int {
	i, ok := t.index[name]
	if !ok {
		if t.frozen {
			return -1
		}
		i = len(t.names)
		t.index[name] = i
		t.names = append(t.names, name)
	}
	return i
}

// volumeResource is the name under which attached volumes are counted.
func volumeResource(driver string) corev1.ResourceName {
	return corev1.ResourceName("volumes/" + driver)
}

// amount reads a quantity in the table's unit, rounded up. Negative ones, which
// no API server lets through, count as none.
func amount(name corev1.ResourceName, q resource.Quantity) int64 {
	if name == corev1.ResourceCPU {
		return min(max(0, q.MilliValue()), unlimited)
	}
	return min(max(0, q.Value()), unlimited)
}

// list writes a vector as a resource list, zeros left out.
func (t *resourceTable) list(v vector) corev1.ResourceList {
	out := corev1.ResourceList{}
	for i, n := range v {
		switch {
		case n == 0:
		case i == dimCPU:
			out[t.names[i]] = *resource.NewMilliQuantity(n, resource.DecimalSI)
		case i == dimMemory:
			out[t.names[i]] = *resource.NewQuantity(n, resource.BinarySI)
		default:
			out[t.names[i]] = *resource.NewQuantity(n, resource.DecimalSI)
		}
	}
	return out
}

// requests is what a pod asks of its node: its containers and side cars together,
// or an init container with the side cars before it where that is more, and the
// overhead of its runtime class. The pod itself counts as one.
func (t *resourceTable) requests(pod *corev1.Pod, into vector) vector {
	v := append(into[:0], 0, 0, 0)
	add := func(list corev1.ResourceList) {
		if t.plain(list, v) {
			return
		}
		for name, q := range list {
			d := t.dim(name)
			if d < 0 {
				continue
			}
			for len(v) <= d {
				v = append(v, 0)
			}
			v[d] += amount(name, q)
		}
	}
	for i := range pod.Spec.Containers {
		add(pod.Spec.Containers[i].Resources.Requests)
	}
	if len(pod.Spec.InitContainers) > 0 {
		v = t.withInitContainers(pod, v)
	}
	if pod.Spec.Resources != nil {
		for name, q := range pod.Spec.Resources.Requests {
			d := t.dim(name)
			if d < 0 {
				continue
			}
			for len(v) <= d {
				v = append(v, 0)
			}
			v[d] = amount(name, q)
		}
	}
	add(pod.Spec.Overhead)
	v[dimPods] = 1
	return v
}

// plain adds a list of nothing but cpu and memory, as most are, and tells whether it is one.
func (t *resourceTable) plain(list corev1.ResourceList, v vector) bool {
	cpu, hasCPU := list[corev1.ResourceCPU]
	memory, hasMemory := list[corev1.ResourceMemory]
	known := 0
	if hasCPU {
		known++
	}
	if hasMemory {
		known++
	}
	if known != len(list) {
		return false
	}
	v[dimCPU] += amount(corev1.ResourceCPU, cpu)
	v[dimMemory] += amount(corev1.ResourceMemory, memory)
	return true
}

func (t *resourceTable) withInitContainers(pod *corev1.Pod, main vector) vector {
	sidecars, peak := vector{}, vector{}
	grow := func(v *vector, d int) {
		for len(*v) <= d {
			*v = append(*v, 0)
		}
	}
	for i := range pod.Spec.InitContainers {
		c := &pod.Spec.InitContainers[i]
		always := c.RestartPolicy != nil && *c.RestartPolicy == corev1.ContainerRestartPolicyAlways
		for name, q := range c.Resources.Requests {
			d, n := t.dim(name), amount(name, q)
			if d < 0 {
				continue
			}
			grow(&sidecars, d)
			grow(&peak, d)
			if always {
				sidecars[d] += n
				peak[d] = max(peak[d], sidecars[d])
			} else {
				peak[d] = max(peak[d], sidecars[d]+n)
			}
		}
	}
	for d := range peak {
		grow(&main, d)
		main[d] = max(main[d]+sidecars[d], peak[d])
	}
	return main
}

// vectorOf reads a resource list; what it does not name is 0.
func (t *resourceTable) vectorOf(list corev1.ResourceList) vector {
	v := make(vector, len(t.names))
	t.read(list, v)
	return v
}

// read takes a resource list over into a vector.
func (t *resourceTable) read(list corev1.ResourceList, v vector) {
	for name, q := range list {
		if d, ok := t.index[name]; ok {
			v[d] = amount(name, q)
		}
	}
}

// fit stretches a vector to all resources of the table.
func (t *resourceTable) fit(v vector) vector {
	out := make(vector, len(t.names))
	copy(out, v)
	return out
}

func (v vector) add(o vector) {
	for i, n := range o {
		v[i] += n
	}
}

func (v vector) addTimes(o vector, k int64) {
	for i, n := range o {
		v[i] += n * k
	}
}

func (v vector) sub(o vector) {
	for i, n := range o {
		v[i] -= n
	}
}

// fits tells whether v is no more than room in all it asks for.
func (v vector) fits(room vector) bool {
	for i, n := range v {
		if n > room[i] && n > 0 {
			return false
		}
	}
	return true
}

// times is how often v fits into room, at most limit.
func (v vector) times(room vector, limit int) int {
	k := int64(limit)
	for i, n := range v {
		if n <= 0 {
			continue
		}
		if room[i] < n {
			return 0
		}
		if c := room[i] / n; c < k {
			k = c
		}
	}
	return int(k)
}

func (v vector) zero() bool {
	for _, n := range v {
		if n != 0 {
			return false
		}
	}
	return true
}
