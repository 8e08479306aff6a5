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
	files, err := filepath.Glob("testdata/plan/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			t.Parallel()
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			head, rest, found := strings.Cut(string(data), "\n-- input --\n")
			if !found {
				t.Fatal("no part -- input --")
			}
			_, args, _ := strings.Cut(head, "args: ")
			input, want, _ := strings.Cut(rest, "-- output --\n")
			var out, talk bytes.Buffer
			code := Main(context.Background(), append([]string{"automode"}, strings.Fields(args)...), Streams{In: strings.NewReader(input), Out: &out, Err: &talk})
			got := fmt.Sprintf("%s-- talk --\n%s-- exit %d --\n", out.String(), talk.String(), code)
			if *update {
				if err := os.WriteFile(file, []byte(head+"\n-- input --\n"+input+"-- output --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s (-want +got):\n%s", args, diff)
			}
		})
	}
}
