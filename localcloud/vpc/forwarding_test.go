package vpc

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// testHost is a setting of its own with homes that have networks or not.
type testHost struct {
	*testing.T
	forwarding
	homes int
}

func newTestHost(t *testing.T, value string) *testHost {
	dir := t.TempDir()
	h := &testHost{T: t}
	h.forwarding = forwarding{setting: filepath.Join(dir, "setting"), record: filepath.Join(dir, "run", "record"), inUse: func() (bool, error) { return h.homes > 0, nil }}
	if err := os.WriteFile(h.setting, []byte(value+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	return h
}

func (h *testHost) do(step func() error) {
	h.Helper()
	if err := step(); err != nil {
		h.Fatal(err)
	}
}

func (h *testHost) expect(want string) {
	h.Helper()
	got, err := os.ReadFile(h.setting)
	if err != nil || strings.TrimSpace(string(got)) != want {
		h.Errorf("the setting is %q, %v; want %s", got, err, want)
	}
}

func TestForwardingComesBackWithTheLastHome(t *testing.T) {
	h := newTestHost(t, "0")
	h.do(h.restore) // of a home that never switched it on
	h.expect("0")

	h.homes = 2
	h.do(h.enable)
	h.do(h.enable)
	h.expect("1")
	h.homes = 1
	h.do(h.restore)
	h.expect("1")
	h.homes = 0
	h.do(h.restore)
	h.expect("0")
	h.do(h.restore)

	h.homes = 1
	h.do(h.enable) // from the beginning
	h.homes = 0
	h.do(h.restore)
	h.expect("0")
}

func TestForwardingThatWasOnStaysOn(t *testing.T) {
	h := newTestHost(t, "1")
	h.do(h.enable)
	h.do(h.restore)
	h.expect("1")
}

// TestForwardingAfterAKill: the value of before survives whoever was killed between putting it on record and changing it.
func TestForwardingAfterAKill(t *testing.T) {
	h := newTestHost(t, "0")
	h.do(h.enable)
	if err := os.WriteFile(h.record+".next", []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	h.do(h.enable)
	h.do(h.restore)
	h.expect("0")
}

func TestAnUplinkIsKnownByItsName(t *testing.T) {
	if name := hostDevice("/some/home", "vpc-0123456789abcdef0"); !uplinkOfAnyHome.MatchString(name) {
		t.Errorf("%s is not taken for an uplink", name)
	}
}
