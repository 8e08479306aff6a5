// Package home names the files of one automode home directory: the place where a machine's local cloud, its clusters and
// its machines keep everything. It only computes paths; making and removing what lies there is its users' business.
package home

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
)

// Dir is an absolute path of a home directory.
type Dir string

// Resolve returns the home directory: the flag's value, else $AUTOMODE_HOME, else /var/lib/automode for root and
// $XDG_DATA_HOME/automode (~/.local/share/automode) for everybody else.
func Resolve(flag string) (Dir, error) {
	for _, candidate := range []string{flag, os.Getenv("AUTOMODE_HOME")} {
		if candidate != "" {
			return absolute(candidate)
		}
	}
	if os.Geteuid() == 0 {
		return "/var/lib/automode", nil
	}
	if data := os.Getenv("XDG_DATA_HOME"); data != "" {
		return absolute(filepath.Join(data, "automode"))
	}
	user, err := os.UserHomeDir()
	if err != nil {
		return "", fmt.Errorf("finding a home directory (set AUTOMODE_HOME): %w", err)
	}
	return absolute(filepath.Join(user, ".local", "share", "automode"))
}

func absolute(path string) (Dir, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return "", fmt.Errorf("making home directory %q absolute: %w", path, err)
	}
	return Dir(abs), nil
}

// ID is a short name derived from the directory, 6 hex digits. Whatever the machine shows outside the directory (control
// groups, nftables tables, network interfaces) carries it, so that two homes never touch each other's.
func (d Dir) ID() string {
	sum := sha256.Sum256([]byte(d))
	return hex.EncodeToString(sum[:3])
}

// Path joins elements to the home directory.
func (d Dir) Path(elem ...string) string {
	return filepath.Join(append([]string{string(d)}, elem...)...)
}

// Cloud is the directory of the local cloud's own files.
func (d Dir) Cloud() string { return d.Path("cloud") }

// Socket is the unix socket of the local cloud's internal API.
func (d Dir) Socket() string { return d.Path("cloud", "cloud.sock") }

// Settings is the file in which `automode up` records what the local cloud was started with.
func (d Dir) Settings() string { return d.Path("cloud", "settings.json") }

// AdminKey is the file with the access key of the IAM user admin.
func (d Dir) AdminKey() string { return d.Path("cloud", "admin.json") }

// Units is the directory in which a supervisor keeps the state of the processes of the given group.
func (d Dir) Units(group string) string { return d.Path("run", "units", group) }

// NetNS is the file a network namespace of the given name is mounted on.
func (d Dir) NetNS(name string) string { return d.Path("run", "netns", name) }

// Clusters is the directory that holds one directory per cluster; Cluster is that of one.
func (d Dir) Clusters() string           { return d.Path("clusters") }
func (d Dir) Cluster(name string) string { return d.Path("clusters", name) }

// Machines is the directory that holds one directory per real machine; Machine is that of one.
func (d Dir) Machines() string         { return d.Path("machines") }
func (d Dir) Machine(id string) string { return d.Path("machines", id) }

// Registry is the directory of the local image registry's blobs.
func (d Dir) Registry() string { return d.Path("registry") }
