package operator

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// files are a configuration that a program writes and settings that a user writes.
type files struct {
	*testing.T
	config, settings string
}

func newFiles(t *testing.T) *files {
	dir := t.TempDir()
	f := &files{t, filepath.Join(dir, "config.yaml"), filepath.Join(dir, "settings.yaml")}
	f.write(f.config, plainConfig)
	return f
}

func (f *files) write(path, text string) {
	f.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		f.Fatal(err)
	}
}

const settingsHead = "apiVersion: automode.dev/v1\nkind: ControllerSettings\n"

func TestSettingsAreLaidOver(t *testing.T) {
	f := newFiles(t)
	f.write(f.config, plainConfig+"engine: karpenter\nlogLevel: debug\ncompute: {disruption: {minSaving: 1, restartCost: 2}}\n")
	f.write(f.settings, settingsHead+"engine: automode\nmetricsAddress: 127.0.0.1:8080\ncompute: {disruption: {minSaving: 0, comparePools: true}}\n")
	got, err := LoadConfig(f.config, f.settings)
	if err != nil {
		t.Fatal(err)
	}
	want, err := LoadConfig(f.config, "")
	if err != nil {
		t.Fatal(err)
	}
	want.Engine, want.MetricsAddress = EngineAutomode, "127.0.0.1:8080"
	want.Compute.Disruption = DisruptionConfig{ComparePools: true, RestartCost: 2}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("configuration (-want +got):\n%s", diff)
	}
}

func TestNoSettings(t *testing.T) {
	f := newFiles(t)
	with, err := LoadConfig(f.config, f.settings)
	if err != nil {
		t.Fatal(err)
	}
	without, err := LoadConfig(f.config, "")
	if diff := cmp.Diff(without, with); diff != "" || err != nil {
		t.Errorf("error %v, configuration (-without +with):\n%s", err, diff)
	}
}

func TestSettingsRefused(t *testing.T) {
	for text, want := range map[string]string{
		settingsHead + "cluster: {name: other}\n":                     `unknown field "cluster"`,
		settingsHead + "compute: {nodePools: [system]}\n":             `unknown field "nodePools"`,
		settingsHead + "engine: other\n":                              `engine "other" is not one of`,
		settingsHead + "compute: {disruption: {minSavingRatio: 2}}\n": "compute.disruption.minSavingRatio is 2",
		"apiVersion: automode.dev/v1\nkind: ControllerConfig\n":       `want "automode.dev/v1" and "ControllerSettings"`,
	} {
		f := newFiles(t)
		f.write(f.settings, text)
		_, err := LoadConfig(f.config, f.settings)
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), f.settings) {
			t.Errorf("%s: error %v, want %q and the file's name", text, err, want)
		}
	}
}

// A program that writes its own file again leaves the user's settings in force; they follow their file; what is read at the
// start ends the process.
func TestSettingsLast(t *testing.T) {
	f := newFiles(t)
	f.write(f.settings, settingsHead+"compute: {disruption: {comparePools: true}}\n")
	w, err := newWatchedConfig(f.config, f.settings)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	go func() { ended <- w.Start(ctx) }()

	f.write(f.config, strings.Replace(plainConfig, "us-east-1", "us-west-2", 1))
	f.eventually("the new region with the settings of before", func() bool {
		c := w.get()
		return c.Cluster.Region == "us-west-2" && c.Compute.Disruption.ComparePools
	})
	f.write(f.settings, settingsHead+"compute: {disruption: {minSavingRatio: 2}}\n") // refused
	time.Sleep(2 * configPoll)
	if !w.get().Compute.Disruption.ComparePools {
		t.Error("a mistake in the settings took the ones of before away")
	}
	if err := os.Remove(f.settings); err != nil {
		t.Fatal(err)
	}
	f.eventually("no settings", func() bool { return !w.get().Compute.Disruption.ComparePools })
	f.write(f.settings, settingsHead+"engine: karpenter\n")
	select {
	case err := <-ended:
		if !errors.Is(err, errRestart) {
			t.Errorf("ended with %v", err)
		}
	case <-time.After(10 * configPoll):
		t.Error("another engine did not end the process")
	}
}

func (f *files) eventually(what string, holds func() bool) {
	f.Helper()
	for end := time.Now().Add(10 * configPoll); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if holds() {
			return
		}
	}
	f.Errorf("never: %s", what)
}
