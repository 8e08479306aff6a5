package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"

	"github.com/automode-dev/automode/internal/home"
)

// settings are what a local cloud was started with. They stay until `automode down`.
type settings struct {
	Region         string `json:"region"`
	Port           int    `json:"port"`
	Machines       string `json:"machines"`                 // real or simulated
	MachinesReason string `json:"machinesReason,omitempty"` // why not real
	BootDelay      string `json:"bootDelay"`
	Cluster        string `json:"cluster,omitempty"` // name of the first cluster
}

// over is the configuration with what the local cloud was started with for its defaults.
func (s settings) over(config Config) Config {
	config.Region, config.Port, config.BootDelay = s.Region, s.Port, s.BootDelay
	if s.Cluster != "" {
		config.Name = s.Cluster
	}
	return config
}

func (s settings) endpoint() string { return fmt.Sprintf("http://127.0.0.1:%d", s.Port) }

func (s settings) machinesText() string {
	if s.MachinesReason != "" {
		return s.Machines + " machines only: " + s.MachinesReason
	}
	return s.Machines + " machines"
}

// readSettings returns the settings of the home's local cloud; the Failure is NotRunning when there is none.
func readSettings(dir home.Dir) (settings, error) {
	var s settings
	if err := readJSON(dir.Settings(), &s); errors.Is(err, fs.ErrNotExist) {
		return s, fail(NotRunning, "no local cloud in %s", dir)
	} else if err != nil {
		return s, err
	}
	return s, nil
}

// adminKey is the access key of the local cloud's user admin, as aws configure export-credentials names it.
type adminKey struct {
	AccessKeyID     string `json:"AccessKeyId"`
	SecretAccessKey string `json:"SecretAccessKey"`
}

func readAdminKey(dir home.Dir) (adminKey, error) {
	var key adminKey
	err := readJSON(dir.AdminKey(), &key)
	if errors.Is(err, fs.ErrNotExist) {
		return key, fail(NotRunning, "no local cloud in %s", dir)
	}
	return key, err
}

func readJSON(path string, into any) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(data, into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

// writeJSON replaces a file so that a reader sees the old content or the new, never half of one.
func writeJSON(path string, v any) error {
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	next := path + ".next"
	if err := os.WriteFile(next, data, 0o600); err != nil {
		return fmt.Errorf("writing %s: %w", path, err)
	}
	return os.Rename(next, path)
}

func isTimeout(err error) bool { return errors.Is(err, context.DeadlineExceeded) }

func isRefused(err error) bool {
	var op *net.OpError
	return errors.Is(err, syscall.ECONNREFUSED) || errors.As(err, &op)
}
