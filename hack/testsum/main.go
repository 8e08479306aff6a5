// Command testsum reads the output of `go test -json` and prints what a person wants of it: a line per package, the output of
// failed tests, and at the end how many passed, failed and were skipped. It never runs anything.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"strings"
)

// event is a line of test2json.
type event struct {
	Action, Package, Test, Output, ImportPath string
	Elapsed                                   float64
}

// summary is what was seen so far.
type summary struct {
	output                  map[string][]string // by package and test, of tests that have not ended
	passed, failed, skipped int
	broken                  bool // a package failed
	skips                   []string
}

func main() {
	skipsFile := flag.String("skips", "", "file to append the reasons of skipped tests to")
	flag.Parse()
	s := summary{output: map[string][]string{}}
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 16<<20)
	for lines.Scan() {
		var e event
		if json.Unmarshal(lines.Bytes(), &e) != nil {
			fmt.Println(lines.Text()) // not of a test: a message of go itself
			continue
		}
		s.note(e)
	}
	if err := appendLines(*skipsFile, s.skips); err != nil {
		fmt.Fprintln(os.Stderr, "testsum:", err)
		os.Exit(1)
	}
	fmt.Printf("%d passed, %d failed, %d skipped\n", s.passed, s.failed, s.skipped)
	if s.failed > 0 || s.broken || lines.Err() != nil {
		os.Exit(1)
	}
}

func (s *summary) note(e event) {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "output":
		s.output[key] = append(s.output[key], e.Output)
		return
	case "build-output":
		fmt.Print(e.Output)
		return
	case "pass", "fail", "skip":
	default:
		return
	}
	if e.Test == "" {
		s.endPackage(e)
	} else {
		s.endTest(e, key)
	}
	delete(s.output, key)
}

func (s *summary) endPackage(e event) {
	switch e.Action {
	case "fail":
		s.broken = true
		fmt.Print(strings.Join(s.output[e.Package+" "], ""))
		fmt.Printf("FAIL  %s %.1fs\n", e.Package, e.Elapsed)
	case "pass":
		fmt.Printf("ok    %s %.1fs\n", e.Package, e.Elapsed)
	}
}

func (s *summary) endTest(e event, key string) {
	switch e.Action {
	case "pass":
		s.passed++
	case "fail":
		s.failed++
		fmt.Print(strings.Join(s.output[key], ""))
	case "skip":
		s.skipped++
		s.skips = append(s.skips, e.Package+" "+e.Test+": "+reason(s.output[key]))
	}
}

// reason is the text of t.Skip among a test's output.
func reason(output []string) string {
	for i := len(output) - 1; i >= 0; i-- {
		line := strings.TrimSpace(output[i])
		if _, text, ok := strings.Cut(line, ".go:"); ok {
			_, text, _ = strings.Cut(text, ": ")
			return text
		}
	}
	return "no reason given"
}

func appendLines(path string, lines []string) error {
	if path == "" || len(lines) == 0 {
		return nil
	}
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY|os.O_CREATE, 0o644)
	if err != nil {
		return err
	}
	defer f.Close()
	_, err = f.WriteString(strings.Join(lines, "\n") + "\n")
	return err
}
