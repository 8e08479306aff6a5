package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestUnknownComponentNamesTheKnown(t *testing.T) {
	for _, args := range [][]string{{"kubernetes"}, {"kubernetes", "kube-dns"}} {
		var stdout, stderr bytes.Buffer
		if code := run(args, &stdout, &stderr); code != 2 {
			t.Errorf("%q exits with %d", args, code)
		}
		if !strings.Contains(stderr.String(), "kube-apiserver") || stdout.Len() > 0 {
			t.Errorf("%q prints %q and %q", args, &stdout, &stderr)
		}
	}
}

func TestComponentByNameAndByArgument(t *testing.T) {
	var got []string
	components["probe"] = func(args []string) int { got = args; return 7 }
	t.Cleanup(func() { delete(components, "probe") })
	for _, args := range [][]string{{"/usr/bin/probe", "--flag"}, {"kubernetes", "probe", "--flag"}} {
		if code := run(args, nil, nil); code != 7 || len(got) != 2 || got[1] != "--flag" {
			t.Errorf("%q ran with %q and exits with %d", args, got, code)
		}
	}
}

func TestComponentsAreListedForTheBuild(t *testing.T) {
	var stdout bytes.Buffer
	if code := run([]string{"kubernetes", "--components"}, &stdout, nil); code != 0 {
		t.Errorf("exits with %d", code)
	}
	if got := len(strings.Fields(stdout.String())); got != len(components) {
		t.Errorf("lists %d of %d components", got, len(components))
	}
}
