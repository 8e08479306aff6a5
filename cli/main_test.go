package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// run runs the command line in an empty home and returns what it printed and its exit code.
func run(t *testing.T, stdin string, args ...string) (out, errs string, code int) {
	t.Helper()
	t.Setenv("AUTOMODE_HOME", t.TempDir())
	var o, e bytes.Buffer
	code = Main(context.Background(), append([]string{"automode"}, args...), Streams{In: strings.NewReader(stdin), Out: &o, Err: &e})
	return o.String(), e.String(), code
}

// TestFailures: each failure has its exit code, its ID, a message with the value, and advice.
func TestFailures(t *testing.T) {
	for _, c := range []struct {
		args []string
		code int
		want []string
	}{
		{[]string{"upp"}, 2, []string{`unknown command "upp"`, "Did you mean this", "error USAGE"}},
		{[]string{"get", "pods"}, 2, []string{`unknown command "pods" for "automode get"`, "error USAGE"}},
		{[]string{"up", "--prot", "1"}, 2, []string{"unknown flag: --prot", "error USAGE"}},
		{[]string{"delete", "cluster"}, 2, []string{"accepts 1 arg(s), received 0", "error USAGE"}},
		{[]string{"up", "--port", "80"}, 3, []string{`port is "80"`, "1024 to 65535", "error BAD-CONFIG"}},
		{[]string{"up", "-f", "/does/not/exist"}, 3, []string{"/does/not/exist", "no such file", "error BAD-CONFIG"}},
		{[]string{"up", "--region", "mars-1"}, 3, []string{`region "mars-1"`, "us-east-1", "error UNKNOWN-REGION"}},
		{[]string{"up", "--kubernetes-version", "1.99"}, 5, []string{"no Kubernetes 1.99", "make build", "error BINARIES-MISSING"}},
		{[]string{"status"}, 9, []string{"no local cloud in ", "automode up", "error NOT-RUNNING"}},
		{[]string{"env"}, 9, []string{"error NOT-RUNNING"}},
		{[]string{"get", "clusters", "-o", "xml"}, 2, []string{`unknown format "xml"`, "error USAGE"}},
		{[]string{"catalog", "refresh"}, 2, []string{"--file", "error USAGE"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			_, errs, code := run(t, "", c.args...)
			if code != c.code {
				t.Errorf("exit code %d, want %d", code, c.code)
			}
			for _, want := range append(c.want, "what to do: ", "docs/reference/errors.md#") {
				if !strings.Contains(errs, want) {
					t.Errorf("%q is not in\n%s", want, errs)
				}
			}
		})
	}
}

func TestEveryFailureIsDocumented(t *testing.T) {
	for id, k := range kinds {
		if k.exit < 1 || k.meaning == "" || k.advice == "" {
			t.Errorf("%s lacks an exit code, a meaning or advice", id)
		}
	}
}

func TestHelpLeadsWithExamples(t *testing.T) {
	out, _, code := run(t, "", "up", "--help")
	if code != 0 || strings.Index(out, "Examples:") > strings.Index(out, "Flags:") {
		t.Errorf("exit code %d, help:\n%s", code, out)
	}
}

func TestHelpAndCompletion(t *testing.T) {
	for _, args := range [][]string{
		{"help", "env"}, {"get"}, {"completion", "bash"}, {"completion", "zsh"}, {"completion", "fish"}, {"__complete", "get", ""},
	} {
		out, errs, code := run(t, "", args...)
		if code != 0 || !strings.Contains(out, "automode") && !strings.Contains(out, "clusters") {
			t.Errorf("%v: exit code %d, %s%.200s", args, code, errs, out)
		}
	}
}

// TestNodeIsAVerbOfItsOwn: the node's init has a verb below it, and runs all the same.
func TestNodeIsAVerbOfItsOwn(t *testing.T) {
	node, _, err := (&app{}).root().Find([]string{"node"})
	if err != nil {
		t.Fatal(err)
	}
	if reflect.ValueOf(node.RunE).Pointer() == reflect.ValueOf(onlySubcommands).Pointer() {
		t.Error("node only prints its help")
	}
}

func TestVersionAsJSON(t *testing.T) {
	out, _, code := run(t, "", "version", "-o", "json")
	var v versionInfo
	if err := json.Unmarshal([]byte(out), &v); err != nil || code != 0 || v.Version == "" {
		t.Errorf("exit code %d, %v: %s", code, err, out)
	}
}

func TestCatalogTypes(t *testing.T) {
	out, _, code := run(t, "", "catalog", "types", "c6a", "-o", "json")
	var offers []offer
	if err := json.Unmarshal([]byte(out), &offers); err != nil || code != 0 || len(offers) < 5 {
		t.Fatalf("exit code %d, %v: %s", code, err, out)
	}
	for _, o := range offers {
		if o.Type == "c6a.2xlarge" && (o.OnDemand != 0.306 || o.Fee != 0.03672) {
			t.Errorf("c6a.2xlarge costs %v with a fee of %v", o.OnDemand, o.Fee)
		}
	}
}

func TestDownWithNothing(t *testing.T) {
	t.Setenv("AUTOMODE_HOME", "")
	var o, e bytes.Buffer
	code := Main(context.Background(), []string{"automode", "down", "--home", t.TempDir() + "/none"}, Streams{Out: &o, Err: &e})
	if code != 0 || !strings.Contains(e.String(), "Nothing to remove") {
		t.Errorf("exit code %d: %s", code, e.String())
	}
}
