// Command wiremodel writes localcloud/wire/models/<service>.json: the service descriptions that botocore
// ships, without documentation and pruned to the operations listed in <service>.ops beside them.
//
//	go run ./hack/wiremodel [-data DIR] [service ...]
//
// What the SDK of go.mod has beyond that (botocore may be older) is added from the SDK's types; a REST operation
// that only the SDK has needs its method and path on the line: "CancelUpdate POST /clusters/{name}/…".
//
// It needs python3 with botocore (any awscli brings it) unless -data names its data directory.
package main

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"sort"
	"strings"
)

const modelDir = "localcloud/wire/models"

func main() {
	data := flag.String("data", "", "botocore's data directory (default: ask python3)")
	flag.Parse()
	if err := run(*data, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "wiremodel:", err)
		os.Exit(1)
	}
}

func run(data string, services []string) error {
	if data == "" {
		out, err := exec.Command("python3", "-c", "import botocore,os;print(os.path.dirname(botocore.__file__))").Output()
		if err != nil {
			return fmt.Errorf("asking python3 for botocore's directory (use -data DIR): %w", err)
		}
		data = filepath.Join(strings.TrimSpace(string(out)), "data")
	}
	if len(services) == 0 {
		lists, err := filepath.Glob(filepath.Join(modelDir, "*.ops"))
		if err != nil || len(lists) == 0 {
			return fmt.Errorf("finding operation lists in %s: run this at the root of the module", modelDir)
		}
		for _, list := range lists {
			services = append(services, strings.TrimSuffix(filepath.Base(list), ".ops"))
		}
	}
	for _, service := range services {
		if err := generate(data, service); err != nil {
			return fmt.Errorf("generating model of %s: %w", service, err)
		}
	}
	return nil
}

func generate(data, service string) error {
	full, err := readModel(filepath.Join(data, service))
	if err != nil {
		return err
	}
	ops, err := readList(filepath.Join(modelDir, service+".ops"))
	if err != nil {
		return err
	}
	pruned := prune(full, service, ops)
	if err := addNewer(pruned, ops); err != nil {
		return err
	}
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(pruned); err != nil {
		return err
	}
	file := filepath.Join(modelDir, service+".json")
	fmt.Printf("%s: %d operations, %d shapes, %d KiB\n", file, len(pruned.Operations), len(pruned.Shapes), out.Len()/1024)
	return os.WriteFile(file, out.Bytes(), 0o644)
}

// readModel reads the newest version of a service's description.
func readModel(dir string) (*source, error) {
	versions, err := filepath.Glob(filepath.Join(dir, "*", "service-2.json*"))
	if err != nil || len(versions) == 0 {
		return nil, fmt.Errorf("finding service-2.json under %s", dir)
	}
	sort.Strings(versions)
	file := versions[len(versions)-1]
	f, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var r io.Reader = f
	if strings.HasSuffix(file, ".gz") {
		if r, err = gzip.NewReader(f); err != nil {
			return nil, fmt.Errorf("opening %s: %w", file, err)
		}
	}
	var m source
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return nil, fmt.Errorf("parsing %s: %w", file, err)
	}
	return &m, nil
}

// readList reads one operation per line; empty lines and # comments do not count.
func readList(file string) ([]string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, err
	}
	var names []string
	for line := range strings.Lines(string(text)) {
		if name, _, _ := strings.Cut(line, "#"); strings.TrimSpace(name) != "" {
			names = append(names, strings.TrimSpace(name))
		}
	}
	return names, nil
}
