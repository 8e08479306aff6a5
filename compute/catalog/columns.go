package catalog

import (
	"fmt"
	"strconv"
	"strings"
)

// column is one column of the table of types: how a field becomes a word of
// the table and back. The words never hold a tab, a comma inside a list item,
// or a slash inside an accelerator's name.
type column struct {
	name string
	get  func(*Type) string
	set  func(*Type, string) error
}

// columns lists the table of types from left to right. Readers go by the names
// in the header, so that columns may be added without breaking older data.
var columns = []column{
	text("name", func(t *Type) *string { return &t.Name }),
	number("vcpus", func(t *Type) *int { return &t.VCPUs }),
	number("cores", func(t *Type) *int { return &t.Cores }),
	number("threads", func(t *Type) *int { return &t.ThreadsPerCore }),
	numbers("valid-cores", func(t *Type) *[]int { return &t.ValidCores }),
	numbers("valid-threads", func(t *Type) *[]int { return &t.ValidThreads }),
	number64("memory-mib", func(t *Type) *int64 { return &t.MemoryMiB }),
	list("arch", func(t *Type) *[]string { return &t.Architectures }),
	text("manufacturer", func(t *Type) *string { return &t.Manufacturer }),
	decimal("clock-ghz", func(t *Type) *float64 { return &t.ClockGHz }),
	list("cpu-features", func(t *Type) *[]string { return &t.CPUFeatures }),
	text("hypervisor", func(t *Type) *string { return &t.Hypervisor }),
	{"flags", formatFlags, parseFlags},
	list("boot-modes", func(t *Type) *[]string { return &t.BootModes }),
	list("root-devices", func(t *Type) *[]string { return &t.RootDeviceTypes }),
	list("usage-classes", func(t *Type) *[]string { return &t.UsageClasses }),
	list("virtualization", func(t *Type) *[]string { return &t.VirtualizationTypes }),
	list("placement", func(t *Type) *[]string { return &t.PlacementStrategies }),
	text("net-performance", func(t *Type) *string { return &t.Network.Performance }),
	number("net-interfaces", func(t *Type) *int { return &t.Network.Interfaces }),
	number("ipv4", func(t *Type) *int { return &t.Network.IPv4PerInterface }),
	number("ipv4-secondary", func(t *Type) *int { return &t.Network.IPv4PerSecondaryInterface }),
	number("ipv6", func(t *Type) *int { return &t.Network.IPv6PerInterface }),
	text("ena", func(t *Type) *string { return &t.Network.ENA }),
	number("efa-interfaces", func(t *Type) *int { return &t.Network.EFAInterfaces }),
	list("bandwidth-weightings", func(t *Type) *[]string { return &t.Network.BandwidthWeightings }),
	number("tcp-timeout", func(t *Type) *int { return &t.Network.TCPEstablishedTimeoutSeconds }),
	{"net-cards", formatCards, parseCards},
	text("ebs-optimized", func(t *Type) *string { return &t.EBS.Optimized }),
	text("ebs-nvme", func(t *Type) *string { return &t.EBS.Nvme }),
	text("ebs-attachment-type", func(t *Type) *string { return &t.EBS.AttachmentType }),
	number("ebs-attachments", func(t *Type) *int { return &t.EBS.MaxAttachments }),
	number("ebs-baseline-mbps", func(t *Type) *int { return &t.EBS.BaselineMbps }),
	number("ebs-baseline-iops", func(t *Type) *int { return &t.EBS.BaselineIOPS }),
	number("ebs-max-mbps", func(t *Type) *int { return &t.EBS.MaxMbps }),
	number("ebs-max-iops", func(t *Type) *int { return &t.EBS.MaxIOPS }),
	number("ebs-cards", func(t *Type) *int { return &t.EBS.Cards }),
	{"storage", formatStorage, parseStorage},
	accelerators("gpus", func(t *Type) *[]Accelerator { return &t.GPUs }),
	accelerators("inference", func(t *Type) *[]Accelerator { return &t.Inference }),
	accelerators("neuron", func(t *Type) *[]Accelerator { return &t.Neuron }),
	accelerators("fpgas", func(t *Type) *[]Accelerator { return &t.FPGAs }),
	accelerators("media", func(t *Type) *[]Accelerator { return &t.MediaDevices }),
}

func text(name string, field func(*Type) *string) column {
	return column{name,
		func(t *Type) string { return *field(t) },
		func(t *Type, s string) error { *field(t) = s; return nil }}
}

func number(name string, field func(*Type) *int) column {
	return column{name,
		func(t *Type) string { return formatInt(int64(*field(t))) },
		func(t *Type, s string) error { n, err := parseInt(s); *field(t) = int(n); return err }}
}

func number64(name string, field func(*Type) *int64) column {
	return column{name,
		func(t *Type) string { return formatInt(*field(t)) },
		func(t *Type, s string) (err error) { *field(t), err = parseInt(s); return err }}
}

func decimal(name string, field func(*Type) *float64) column {
	return column{name,
		func(t *Type) string { return formatFloat(*field(t)) },
		func(t *Type, s string) (err error) { *field(t), err = parseFloat(s); return err }}
}

func list(name string, field func(*Type) *[]string) column {
	return column{name,
		func(t *Type) string { return strings.Join(*field(t), ",") },
		func(t *Type, s string) error { *field(t) = split(s, ","); return nil }}
}

func numbers(name string, field func(*Type) *[]int) column {
	return column{name,
		func(t *Type) string {
			words := make([]string, len(*field(t)))
			for i, n := range *field(t) {
				words[i] = strconv.Itoa(n)
			}
			return strings.Join(words, ",")
		},
		func(t *Type, s string) error {
			words := split(s, ",")
			out := make([]int, len(words))
			for i, w := range words {
				n, err := strconv.Atoi(w)
				if err != nil {
					return err
				}
				out[i] = n
			}
			*field(t) = out
			return nil
		}}
}

func accelerators(name string, field func(*Type) *[]Accelerator) column {
	return column{name,
		func(t *Type) string {
			words := make([]string, 0, len(*field(t)))
			for _, a := range *field(t) {
				words = append(words, strings.Join([]string{
					a.Name, a.Manufacturer, formatInt(int64(a.Count)), formatInt(a.MemoryMiB), formatFloat(a.Partition),
					formatInt(int64(a.Logical)), formatInt(int64(a.Cores)), formatInt(int64(a.CoreVersion)), strings.Join(a.Workloads, ","),
				}, "/"))
			}
			return strings.Join(words, ";")
		},
		func(t *Type, s string) error {
			for _, word := range split(s, ";") {
				f := &fields{rest: word, sep: "/"}
				a := Accelerator{Name: f.text(), Manufacturer: f.text(), Count: f.int(), MemoryMiB: int64(f.int()), Partition: f.float(),
					Logical: f.int(), Cores: f.int(), CoreVersion: f.int(), Workloads: split(f.text(), ",")}
				if f.err != nil {
					return f.err
				}
				*field(t) = append(*field(t), a)
			}
			return nil
		}}
}

// formatCards writes the network cards; equal neighbours share one entry with a count.
func formatCards(t *Type) string {
	var words []string
	cards := t.Network.Cards
	for i := 0; i < len(cards); {
		j := i + 1
		for j < len(cards) && cards[j] == cards[i] {
			j++
		}
		c := cards[i]
		words = append(words, strings.Join([]string{
			formatInt(int64(j - i)), c.Performance, formatFloat(c.BaselineGbps), formatFloat(c.PeakGbps), formatInt(int64(c.Interfaces)),
			formatInt(int64(c.FlexibleInterfaces)), formatInt(int64(c.QueuesPerInterface)), formatInt(int64(c.MaxQueues)), formatInt(int64(c.MaxQueuesPerInterface)),
		}, "/"))
		i = j
	}
	return strings.Join(words, ";")
}

func parseCards(t *Type, s string) error {
	for _, word := range split(s, ";") {
		f := &fields{rest: word, sep: "/"}
		n := f.int()
		c := NetworkCard{Performance: f.text(), BaselineGbps: f.float(), PeakGbps: f.float(), Interfaces: f.int(),
			FlexibleInterfaces: f.int(), QueuesPerInterface: f.int(), MaxQueues: f.int(), MaxQueuesPerInterface: f.int()}
		if f.err != nil {
			return f.err
		}
		for range n {
			t.Network.Cards = append(t.Network.Cards, c)
		}
	}
	return nil
}

func formatStorage(t *Type) string {
	if t.Storage.TotalGB == 0 {
		return ""
	}
	words := []string{formatInt(t.Storage.TotalGB), t.Storage.Nvme, t.Storage.Encryption}
	for _, d := range t.Storage.Disks {
		words = append(words, formatInt(int64(d.Count)), formatInt(d.SizeGB), d.Kind)
	}
	return strings.Join(words, "/")
}

func parseStorage(t *Type, s string) error {
	if s == "" {
		return nil
	}
	f := &fields{rest: s, sep: "/"}
	t.Storage = Storage{TotalGB: int64(f.int()), Nvme: f.text(), Encryption: f.text()}
	for f.rest != "" && f.err == nil {
		t.Storage.Disks = append(t.Storage.Disks, Disk{Count: f.int(), SizeGB: int64(f.int()), Kind: f.text()})
	}
	return f.err
}

// flag is one letter of the column "flags".
type flag struct {
	letter byte
	field  func(*Type) *bool
}

var flags = []flag{
	{'B', func(t *Type) *bool { return &t.BareMetal }},
	{'u', func(t *Type) *bool { return &t.Burstable }},
	{'c', func(t *Type) *bool { return &t.CurrentGeneration }},
	{'f', func(t *Type) *bool { return &t.FreeTier }},
	{'a', func(t *Type) *bool { return &t.AutoRecovery }},
	{'d', func(t *Type) *bool { return &t.DedicatedHosts }},
	{'h', func(t *Type) *bool { return &t.Hibernation }},
	{'e', func(t *Type) *bool { return &t.NitroEnclaves }},
	{'t', func(t *Type) *bool { return &t.NitroTPM }},
	{'p', func(t *Type) *bool { return &t.PHC }},
	{'r', func(t *Type) *bool { return &t.RebootMigration }},
	{'6', func(t *Type) *bool { return &t.Network.IPv6 }},
	{'s', func(t *Type) *bool { return &t.Network.ENASrd }},
	{'E', func(t *Type) *bool { return &t.Network.EFA }},
	{'i', func(t *Type) *bool { return &t.Network.EncryptionInTransit }},
	{'q', func(t *Type) *bool { return &t.Network.FlexibleENAQueues }},
}

func formatFlags(t *Type) string {
	var b []byte
	for _, f := range flags {
		if *f.field(t) {
			b = append(b, f.letter)
		}
	}
	return string(b)
}

func parseFlags(t *Type, s string) error {
	known := 0
	for _, f := range flags {
		if strings.IndexByte(s, f.letter) >= 0 {
			*f.field(t) = true
			known++
		}
	}
	if known != len(s) {
		return fmt.Errorf("unknown letter in flags %q", s)
	}
	return nil
}

// fields reads the parts of one word in turn and keeps the first error.
type fields struct {
	rest, sep string
	err       error
}

func (f *fields) text() string {
	word, rest, _ := strings.Cut(f.rest, f.sep)
	f.rest = rest
	return word
}

func (f *fields) int() int {
	n, err := parseInt(f.text())
	if f.err == nil {
		f.err = err
	}
	return int(n)
}

func (f *fields) float() float64 {
	n, err := parseFloat(f.text())
	if f.err == nil {
		f.err = err
	}
	return n
}

// Zero is written as an empty word, which keeps the table short.
func formatInt(n int64) string {
	if n == 0 {
		return ""
	}
	return strconv.FormatInt(n, 10)
}

func parseInt(s string) (int64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseInt(s, 10, 64)
}

func formatFloat(f float64) string {
	if f == 0 {
		return ""
	}
	return strconv.FormatFloat(f, 'f', -1, 64)
}

func parseFloat(s string) (float64, error) {
	if s == "" {
		return 0, nil
	}
	return strconv.ParseFloat(s, 64)
}

func split(s, sep string) []string {
	if s == "" {
		return nil
	}
	return strings.Split(s, sep)
}
