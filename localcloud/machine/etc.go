package machine

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// hostEtc are the host's parts of /etc that its programs need to work: certificates, the linker's and tools' tables.
var hostEtc = []string{
	"alternatives", "ca-certificates", "crypto-policies", "iproute2", "ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "mime.types", "pki",
	"protocols", "rpc", "services", "ssl", "xtables", "xattr.conf", "netconfig", "containers",
}

// etc mounts an /etc of the machine's own.
func (r root) etc() error {
	if err := mount("tmpfs", r.in("etc"), "tmpfs", unix.MS_NOSUID|unix.MS_NODEV, "mode=755,size=16m"); err != nil {
		return err
	}
	for _, name := range hostEtc {
		if err := r.hostEtc(name); err != nil {
			return err
		}
	}
	for name, content := range etcFiles(r.record.Spec) {
		if err := os.WriteFile(r.in(filepath.Join("etc", name)), []byte(content), 0o644); err != nil {
			return err
		}
	}
	return nil
}

// hostEtc binds one entry of the host's /etc, where it has it.
func (r root) hostEtc(name string) error {
	from, to := filepath.Join("/etc", name), r.in(filepath.Join("etc", name))
	info, err := os.Stat(from) // through links, as /etc/localtime is one
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = os.Mkdir(to, 0o755)
	} else {
		err = os.WriteFile(to, nil, 0o644)
	}
	if err != nil {
		return err
	}
	return bindReadOnly(from, to)
}

// etcFiles are the files of /etc that tell what this machine is.
func etcFiles(s Spec) map[string]string {
	name := hostname(s)
	short, _, _ := strings.Cut(name, ".")
	var hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	if a := primaryAddress(s); a.IsValid() {
		fmt.Fprintf(&hosts, "%s %s %s\n", a, name, short)
	}
	return map[string]string{
		"hostname":      name + "\n",
		"hosts":         hosts.String(),
		"resolv.conf":   fmt.Sprintf("search %s\nnameserver %s\n", domain(s.Region), resolverAddress),
		"machine-id":    machineID(s.ID) + "\n",
		"os-release":    osRelease(s),
		"nsswitch.conf": "passwd: files\ngroup: files\nshadow: files\nhosts: files dns\nnetworks: files\nprotocols: files\nservices: files\n",
		"passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
		"group":         "root:x:0:\ntty:x:5:\nnogroup:x:65534:\n",
		"shadow":        "root:*:20000:0:99999:7:::\n",
		"fstab":         "",
	}
}

// osRelease names the image; a node shows PRETTY_NAME as its OS image.
func osRelease(s Spec) string {
	version := cmp.Or(s.KubernetesVersion, "latest")
	return fmt.Sprintf(`NAME="Automode"
ID=automode
PRETTY_NAME="Automode (EKS Auto, Standard) local"
VARIANT_ID=eks-auto-%s
VERSION_ID=%s
IMAGE_ID=%s
`, version, version, s.ImageID)
}

// hostname is the private DNS name, as EC2 forms it from the address where none is given.
func hostname(s Spec) string {
	if s.Hostname != "" {
		return s.Hostname
	}
	if a := primaryAddress(s); a.IsValid() {
		return "ip-" + strings.ReplaceAll(a.String(), ".", "-") + "." + domain(s.Region)
	}
	return s.ID
}

func domain(region string) string {
	if region == "us-east-1" || region == "" {
		return "ec2.internal"
	}
	return region + ".compute.internal"
}

func primaryAddress(s Spec) netip.Addr {
	for _, i := range s.Interfaces {
		if i.DeviceIndex == 0 {
			return i.Address
		}
	}
	return netip.Addr{}
}

// machineID is the same whenever the machine boots, and differs from every other's.
func machineID(id string) string {
	sum := sha256.Sum256([]byte("machine-id " + id))
	return hex.EncodeToString(sum[:16])
}
