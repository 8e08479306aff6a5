package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/automode-dev/automode/internal/home"
	"github.com/automode-dev/automode/internal/supervise"
)

// The two processes that keep each other alive: `automode serve` is the local cloud, `automode supervise` restarts it when
// it dies; serve in turn restarts supervise. Their states lie in two unit groups, each written by the other one.
const (
	serveUnit, serveGroup         = "serve", "cloud"
	superviseUnit, superviseGroup = "supervise", "root"
)

// superviseProcess is the unit of `automode supervise`.
func superviseProcess(dir home.Dir) (supervise.Unit, error) { return ownProcess(dir, superviseUnit) }

// serveProcess is the unit of `automode serve`.
func serveProcess(dir home.Dir) (supervise.Unit, error) { return ownProcess(dir, serveUnit) }

// ownProcess is a hidden verb of this binary as a unit.
func ownProcess(dir home.Dir, verb string) (supervise.Unit, error) {
	self, err := os.Executable()
	if err != nil {
		return supervise.Unit{}, fmt.Errorf("finding this program's file: %w", err)
	}
	return supervise.Unit{Name: verb, Path: self, Args: []string{verb, "--home", string(dir)}, Env: inherited(),
		Dir: "/", Log: dir.Path("cloud", verb+".log")}, nil
}

// inherited are the variables that long-lived processes take over from whoever starts them.
func inherited() []string {
	var env []string
	for _, name := range []string{"AUTOMODE_LIBEXEC", "HTTPS_PROXY", "HTTP_PROXY", "NO_PROXY"} {
		if value, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+value)
		}
	}
	return env
}

// startCloud starts the local cloud unless it runs, and waits until it answers.
func startCloud(ctx context.Context, dir home.Dir, s settings, waiting func(string)) error {
	if err := writeJSON(dir.Settings(), s); errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fail(DiskFull, "%w", err)
	} else if err != nil {
		return fail(BadConfig, "home directory %s: %w", dir, err)
	}
	if cloudAnswers(ctx, dir) == nil {
		return nil
	}
	unit, err := superviseProcess(dir)
	if err != nil {
		return err
	}
	sup, err := supervise.New(dir.Units(superviseGroup))
	if err != nil {
		return fmt.Errorf("starting the local cloud: %w", err)
	}
	defer sup.Close()
	if err := sup.Ensure(unit); err != nil {
		return fmt.Errorf("starting the local cloud: %w", err)
	}
	for {
		err := cloudAnswers(ctx, dir)
		if err == nil {
			return nil
		}
		waiting(err.Error())
		select {
		case <-ctx.Done():
			return fail(TimedOut, "waiting for the local cloud: %w; its log ends with:\n%s", err, tail(dir.Path("cloud", serveUnit+".log"), 10))
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// cloudAnswers asks the home's local cloud for its health over the internal socket.
func cloudAnswers(ctx context.Context, dir home.Dir) error {
	return internalGet(ctx, dir, "/_automode/health", nil)
}

// internalGet reads a document of the local cloud's internal API.
func internalGet(ctx context.Context, dir home.Dir, path string, into any) error {
	ctx, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, "unix", dir.Socket())
	}}}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://automode"+path, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return fail(CloudUnreachable, "the local cloud in %s does not answer: %w", dir, err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fail(CloudUnreachable, "reading %s of the local cloud: %w", path, err)
	}
	if resp.StatusCode != http.StatusOK {
		return fail(CloudUnreachable, "the local cloud answers %s to %s: %s", resp.Status, path, strings.TrimSpace(string(body)))
	}
	if into == nil {
		return nil
	}
	if raw, ok := into.(*[]byte); ok {
		*raw = body
		return nil
	}
	return json.Unmarshal(body, into)
}

// tail returns the last lines of a file, indented, for showing beside an error.
func tail(path string, lines int) string {
	data, err := os.ReadFile(path)
	if err != nil {
		return "  " + err.Error()
	}
	all := strings.Split(strings.TrimRight(string(data), "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}
