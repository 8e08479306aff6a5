package localcloud_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/iam"

	"github.com/automode-dev/automode/localcloud"
	"github.com/automode-dev/automode/localcloud/cloudtest"
)

// internal calls the control API with the bearer token.
func (w *world) internal(method, path, body string) (int, []byte) {
	w.t.Helper()
	req := must(http.NewRequestWithContext(w.t.Context(), method, *w.cfg.BaseEndpoint+path, bytes.NewBufferString(body)))(w.t)
	req.Header.Set("Authorization", "Bearer "+w.server.Token())
	resp := must(http.DefaultClient.Do(req))(w.t)
	defer resp.Body.Close()
	return resp.StatusCode, must(io.ReadAll(resp.Body))(w.t)
}

func (w *world) listUsers() error {
	_, err := w.iam.ListUsers(w.t.Context(), &iam.ListUsersInput{})
	return err
}

func TestControlFaults(t *testing.T) {
	w := newWorld(t)
	set := func(name, value string) {
		t.Helper()
		if status, body := w.internal("PUT", "/_automode/control/"+name, value); status != http.StatusNoContent {
			t.Fatalf("setting %s: %d %s", name, status, body)
		}
	}
	set("throttle", `[{"service":"iam","operation":"ListUsers","rate":0.001,"burst":2}]`)
	for range 2 {
		if err := w.listUsers(); err != nil {
			t.Error(err)
		}
	}
	wantCode(t, w.listUsers(), "Throttling")
	if _, err := w.iam.ListRoles(t.Context(), &iam.ListRolesInput{}); err != nil {
		t.Error("another operation is throttled too:", err)
	}
	w.internal("DELETE", "/_automode/control/throttle", "")

	set("errors", `[{"service":"iam","operation":"ListUsers","code":"ServiceFailure","message":"broken","status":500,"times":1}]`)
	wantCode(t, w.listUsers(), "ServiceFailure")
	if err := w.listUsers(); err != nil {
		t.Error("a fault for one call lasts:", err)
	}

	set("latency", `[{"service":"iam","delay":"30ms"}]`)
	start := time.Now()
	if err := w.listUsers(); err != nil || time.Since(start) < 30*time.Millisecond {
		t.Errorf("a delayed call took %s, error %v", time.Since(start), err)
	}
	for name, value := range map[string]string{"throttle": `[{"rate":0}]`, "latency": `"x"`, "nothing": `1`, "calls": `0`} {
		if status, body := w.internal("PUT", "/_automode/control/"+name, value); status != http.StatusBadRequest {
			t.Errorf("setting %s to %s: %d %s", name, value, status, body)
		}
	}
}

func TestInternalAPIIsPrivate(t *testing.T) {
	w := newWorld(t)
	for path, want := range map[string]int{"/_automode/health": 200, "/_automode/control": 401, "/_automode/calls": 401, "/_automode/nothing": 401, "/_automode/credentials/x": 403} {
		resp := must(http.Get(*w.cfg.BaseEndpoint + path))(t)
		resp.Body.Close()
		if resp.StatusCode != want {
			t.Errorf("GET %s without token: %d, want %d", path, resp.StatusCode, want)
		}
	}
}

func TestCallLog(t *testing.T) {
	w := newWorld(t)
	bob := iam.NewFromConfig(w.user("bob", ""))
	bob.ListUsers(t.Context(), &iam.ListUsersInput{}) // refused
	_, body := w.internal("GET", "/_automode/calls?caller=user/bob", "")
	var calls []localcloud.LoggedCall
	if err := json.Unmarshal(body, &calls); err != nil {
		t.Fatal(err)
	}
	if len(calls) != 1 || calls[0].Operation != "ListUsers" || calls[0].Code != "AccessDenied" || len(calls[0].Decisions) != 1 || calls[0].Decisions[0].Allowed {
		t.Errorf("calls of bob: %s", body)
	}
	if err := w.server.Control().Set("calls", 3); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		w.listUsers()
	}
	kept := w.server.Control().Calls("", "", 0)
	if len(kept) != 3 || kept[2].Sequence-kept[0].Sequence != 2 {
		t.Errorf("the log keeps %d calls", len(kept))
	}
}

// TestStateSurvives opens the same home twice, without closing it properly in between.
func TestStateSurvives(t *testing.T) {
	home := t.TempDir()
	open := func() (*localcloud.Server, *localcloud.Core) {
		s := must(localcloud.New(localcloud.Options{Home: home}))(t)
		return s, must(s.MountCore())(t)
	}
	s, core := open()
	if err := s.Control().Set("iam.propagation", localcloud.Duration(time.Minute)); err != nil {
		t.Fatal(err)
	}
	key, token := core.Admin.AccessKeyID, s.Token()
	if _, err := localcloud.New(localcloud.Options{Home: home}); err == nil {
		t.Error("two servers have the same state open")
	}
	s.Close()
	s, core = open()
	defer s.Close()
	if core.Admin.AccessKeyID != key || s.Token() != token {
		t.Error("credentials changed over a restart")
	}
	if _, err := core.IAM.EnsureServiceLinkedRole("eks.amazonaws.com"); err != nil {
		t.Fatal(err)
	}
	if core.IAM.HasServiceLinkedRole("eks.amazonaws.com") {
		t.Error("the setting iam.propagation did not survive")
	}
}

func BenchmarkCalls(b *testing.B) {
	_, _, cfg := cloudtest.Core(b)
	client := iam.NewFromConfig(cfg)
	for b.Loop() {
		if _, err := client.ListUsers(b.Context(), &iam.ListUsersInput{}); err != nil {
			b.Fatal(err)
		}
	}
}
