package testkit

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// Shell runs commands with one environment, as a user's terminal does.
type Shell struct {
	Env     []string // added to the test's own environment
	Dir     string
	Timeout time.Duration // of each command; 0 for three minutes
}

// Result is what a command printed and how it ended.
type Result struct {
	Out, Err string
	Code     int
}

// commandTimeout bounds every command; waits are made of many short ones.
const commandTimeout = 3 * time.Minute

// Try runs a command and returns how it ended, whatever that is. It fails the test only when the command cannot be started.
func (s Shell) Try(t testing.TB, stdin string, args ...string) Result {
	t.Helper()
	r, err := s.try(stdin, args...)
	if err != nil {
		t.Fatalf("running %s: %v", strings.Join(args, " "), err)
	}
	return r
}

func (s Shell) try(stdin string, args ...string) (Result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), cmp.Or(s.Timeout, commandTimeout))
	defer cancel()
	var out, errs bytes.Buffer
	cmd := exec.CommandContext(ctx, s.find(args[0]), args[1:]...)
	cmd.Env = append(os.Environ(), s.Env...)
	cmd.Dir = s.Dir
	cmd.Stdin, cmd.Stdout, cmd.Stderr = strings.NewReader(stdin), &out, &errs
	cmd.WaitDelay = 5 * time.Second
	err := cmd.Run()
	if _, exited := err.(*exec.ExitError); err != nil && !exited {
		return Result{}, err
	}
	return Result{Out: out.String(), Err: errs.String(), Code: cmd.ProcessState.ExitCode()}, nil
}

// find looks a program up in the shell's own PATH before the test's.
func (s Shell) find(program string) string {
	for _, entry := range s.Env {
		path, ok := strings.CutPrefix(entry, "PATH=")
		if !ok || strings.Contains(program, "/") {
			continue
		}
		for _, dir := range filepath.SplitList(path) {
			if file := filepath.Join(dir, program); isProgram(file) {
				return file
			}
		}
	}
	return program
}

func isProgram(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// Run runs a command that must succeed and returns its standard output without the last line break.
func (s Shell) Run(t testing.TB, args ...string) string {
	t.Helper()
	return s.RunWith(t, "", args...)
}

// RunWith is Run with standard input.
func (s Shell) RunWith(t testing.TB, stdin string, args ...string) string {
	t.Helper()
	r := s.Try(t, stdin, args...)
	if r.Code != 0 {
		t.Fatalf("%s: exit code %d\n%s%s", strings.Join(args, " "), r.Code, r.Out, r.Err)
	}
	return strings.TrimRight(r.Out, "\n")
}

// Eventually calls check until it returns nil, and fails the test with the last problem after the timeout.
func Eventually(t testing.TB, timeout time.Duration, what string, check func() error) {
	t.Helper()
	start := time.Now()
	var last error
	for time.Since(start) < timeout {
		if last = check(); last == nil {
			t.Logf("%s after %.1fs", what, time.Since(start).Seconds())
			return
		}
		time.Sleep(250 * time.Millisecond)
	}
	t.Fatalf("%s: not after %s: %v", what, timeout, last)
}

// Expect returns an error that shows both texts when they differ.
func Expect(what, got, want string) error {
	if got != want {
		return fmt.Errorf("%s is %q, want %q", what, got, want)
	}
	return nil
}
