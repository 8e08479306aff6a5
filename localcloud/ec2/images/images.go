// Package images says which machine images the local cloud offers, in every region: the EKS optimized images of Amazon
// Linux 2023 and Bottlerocket per Kubernetes version and architecture, and plain Amazon Linux 2023. Ids follow from region and name alone, so that
// EC2's DescribeImages and the public parameters of SSM agree without talking to each other. It holds no images: what a
// machine runs is the machine's business.
package images

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// Accounts that own the images, as on AWS.
const (
	EKS    = "602401143452"
	Amazon = "137112412989"
)

// Owner is the account that owns the image.
func (i Image) Owner() string {
	if i.Family == Plain {
		return Amazon
	}
	return EKS
}

// Versions are the Kubernetes minor versions there are images for.
var Versions = []string{"1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35"}

// Architectures in EC2's spelling.
var Architectures = []string{"x86_64", "arm64"}

// Families of images.
const (
	AmazonLinux  = "amazon-linux-2023"
	Bottlerocket = "bottlerocket"
	Plain        = "al2023" // Amazon Linux 2023 without Kubernetes
)

// Image is one machine image.
type Image struct {
	Name, Description string
	Family            string // AmazonLinux, Bottlerocket or Plain
	Variant           string // "standard", "nvidia", "neuron"; of Bottlerocket "", "nvidia"
	Kubernetes        string // "1.35"; empty for plain images
	Arch              string // "x86_64", "arm64"
	Release           string // "v20261105" or "1.53.0"
	Created           time.Time
	// Parameter is the public SSM parameter whose value is the id; Latest is the one that names the newest of its kind.
	Parameter, Latest string
}

// ID is the image's id in a region.
func (i Image) ID(region string) string {
	sum := sha256.Sum256([]byte(region + " " + i.Name))
	return "ami-0" + hex.EncodeToString(sum[:])[:16]
}

// release is one published set of images; the last one is recommended.
type release struct {
	amazonLinux, bottlerocket string
	created                   time.Time
}

var releases = []release{
	{"v20261008", "1.52.0", time.Date(2026, 10, 8, 1, 12, 0, 0, time.UTC)},
	{"v20261105", "1.53.0", time.Date(2026, 11, 5, 0, 48, 0, 0, time.UTC)},
}

// All lists the images, oldest release first. The slice is shared and must not be changed.
func All() []Image { return all() }

var all = sync.OnceValue(func() (list []Image) {
	for _, rel := range releases {
		for _, arch := range Architectures {
			list = append(list, plain(rel, arch))
		}
		for _, version := range Versions {
			for _, arch := range Architectures {
				list = append(list, amazonLinux(rel, version, arch, "standard"), bottlerocket(rel, version, arch, ""), bottlerocket(rel, version, arch, "nvidia"))
				list = append(list, amazonLinux(rel, version, arch, "nvidia"))
				if arch == "x86_64" {
					list = append(list, amazonLinux(rel, version, arch, "neuron"))
				}
			}
		}
	}
	return list
})

func amazonLinux(rel release, version, arch, variant string) Image {
	name := fmt.Sprintf("amazon-eks-node-al2023-%s-%s-%s-%s", arch, variant, version, rel.amazonLinux)
	return Image{
		Name: name, Family: AmazonLinux, Variant: variant, Kubernetes: version, Arch: arch, Release: rel.amazonLinux, Created: rel.created,
		Description: fmt.Sprintf("EKS-optimized Kubernetes node based on Amazon Linux 2023, (k8s: %s, variant: %s)", version, variant),
		Parameter:   fmt.Sprintf("/aws/service/eks/optimized-ami/%s/%s/%s/%s/%s/image_id", version, AmazonLinux, arch, variant, name),
		Latest:      fmt.Sprintf("/aws/service/eks/optimized-ami/%s/%s/%s/%s/recommended/image_id", version, AmazonLinux, arch, variant),
	}
}

func plain(rel release, arch string) Image {
	day := rel.created.Format("20060102")
	return Image{
		Name: fmt.Sprintf("al2023-ami-2023.9.%s.0-kernel-6.1-%s", day, arch), Family: Plain, Variant: "kernel-6.1", Arch: arch, Release: "2023.9." + day,
		Created: rel.created, Description: fmt.Sprintf("Amazon Linux 2023 AMI 2023.9.%s.0 %s HVM kernel-6.1", day, arch),
		Parameter: fmt.Sprintf("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-%s", arch),
		Latest:    fmt.Sprintf("/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-6.1-%s", arch),
	}
}

func bottlerocket(rel release, version, arch, variant string) Image {
	flavour := "aws-k8s-" + version
	if variant != "" {
		flavour += "-" + variant
	}
	return Image{
		Name:   fmt.Sprintf("bottlerocket-%s-%s-v%s-%s", flavour, arch, rel.bottlerocket, hash8(flavour+arch+rel.bottlerocket)),
		Family: Bottlerocket, Variant: variant, Kubernetes: version, Arch: arch, Release: rel.bottlerocket, Created: rel.created,
		Description: "bottlerocket-" + flavour + "-" + arch + "-v" + rel.bottlerocket,
		Parameter:   fmt.Sprintf("/aws/service/bottlerocket/%s/%s/%s/image_id", flavour, arch, rel.bottlerocket),
		Latest:      fmt.Sprintf("/aws/service/bottlerocket/%s/%s/latest/image_id", flavour, arch),
	}
}

func hash8(text string) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:8]
}

// Find returns the recommended image; ok is false when there is none.
func Find(family, version, arch, variant string) (found Image, ok bool) {
	if arch == "amd64" {
		arch = "x86_64"
	}
	for _, i := range All() {
		if i.Family == family && i.Kubernetes == version && i.Arch == arch && i.Variant == variant {
			found, ok = i, true
		}
	}
	return found, ok
}

// Parameters returns the public SSM parameters of a region and their values, image ids: one for every release and the
// ones called recommended or latest.
func Parameters(region string) map[string]string {
	out := map[string]string{}
	for _, i := range All() { // oldest first: the last one stays
		out[i.Parameter], out[i.Latest] = i.ID(region), i.ID(region)
	}
	return out
}
