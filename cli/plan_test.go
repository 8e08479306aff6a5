package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected parts of testdata")

// Each file of testdata/plan holds arguments, standard input, and what comes out.
func TestPlan(t *testing.T) {
	scenarios(t, "testdata/plan/*.txt", func(t *testing.T, s *scenario) {
		t.Parallel()
		s.run(t)
	})
}

// scenario is a file of parts: arguments, what the command finds, and what it says.
type scenario struct {
	file, head string
	args       []string
	cluster    string // objects of a live cluster
	input      string
	want       string
}

func scenarios(t *testing.T, pattern string, run func(*testing.T, *scenario)) {
	t.Helper()
	files, err := filepath.Glob(pattern)
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := &scenario{file: file}
			rest := ""
			s.head, s.want, _ = strings.Cut(string(data), "-- output --\n")
			rest, s.input, _ = strings.Cut(s.head, "-- input --\n")
			rest, s.cluster, _ = strings.Cut(rest, "-- cluster --\n")
			_, args, found := strings.Cut(rest, "args: ")
			if !found {
				t.Fatal("no line args:")
			}
			s.args = strings.Fields(args)
			run(t, s)
		})
	}
}

// run runs the command line and compares what comes out, or writes it down.
func (s *scenario) run(t *testing.T) {
	t.Helper()
	var out, talk bytes.Buffer
	code := Main(context.Background(), append([]string{"automode"}, s.args...), Streams{In: strings.NewReader(s.input), Out: &out, Err: &talk})
	got := fmt.Sprintf("%s-- talk --\n%s-- exit %d --\n", out.String(), talk.String(), code)
	if *update {
		if err := os.WriteFile(s.file, []byte(s.head+"-- output --\n"+got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(s.want, got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", s.args, diff)
	}
}
