// Package rules holds the house rules of the project as tests: which package may import which, and that every package says
// what it is for.
package rules

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"
	"testing"
)

const (
	module = "github.com/automode-dev/automode"
	root   = "../.."
)

// forbidden says which imports a folder may not have, and why.
var forbidden = []struct {
	folders []string // of the importing package, with everything below
	imports []string // prefixes of import paths; our own relative to the module
	except  []string // allowed all the same
	why     string
}{
	{[]string{"api"}, []string{"./"}, []string{"./api"}, "API types import nothing of ours, so that anybody can import them"},
	{[]string{"compute", "loadbalancing", "storage", "network", "identity", "node", "operator", "localcloud", "controlplane", "internal", "cli"},
		[]string{"github.com/aws/aws-sdk-go-v2"}, []string{
			"localcloud=github.com/aws/aws-sdk-go-v2/service/", // types are the local cloud's vocabulary
			"localcloud=github.com/aws/aws-sdk-go-v2/aws",
			"cli/serve=github.com/aws/aws-sdk-go-v2/service/iam",                     // calls the local cloud's services as they are called
			"compute/catalog/ec2form=github.com/aws/aws-sdk-go-v2/service/ec2/types", // converts the catalogue to and from them
		}, "cloud is the only package with AWS clients; the local cloud uses the SDK's input and output types alone"},
	{[]string{"compute/solver", "compute/disruption", "loadbalancing/model", "loadbalancing/build"},
		[]string{"k8s.io/client-go", "sigs.k8s.io/controller-runtime", "net/http", "./cloud"}, nil, "deciding is apart from doing: no clients in the pure packages"},
	{[]string{"localcloud", "controlplane"},
		[]string{"./compute", "./loadbalancing", "./storage", "./network", "./identity", "./node", "./operator", "./cloud", "./cli"},
		[]string{"./compute/catalog"}, "the local cloud and the control plane are not part of the product: they stand in for AWS"},
	{[]string{"compute", "loadbalancing", "storage", "network", "identity", "node", "cloud", "operator"},
		[]string{"./localcloud", "./controlplane", "./cli"}, nil, "the product does not know which cloud it runs on"},
	{[]string{"compute", "loadbalancing", "storage", "network", "identity", "node"},
		[]string{"./cloud", "./operator"}, nil, "controllers declare the interfaces they need; cloud fulfils them, operator wires them"},
	{[]string{"."}, []string{"k8s.io/kubernetes"}, nil, "k8s.io/kubernetes is a library of the nested module kubernetes/ only"},
}

func TestImports(t *testing.T) {
	for _, pkg := range packages(t) {
		for _, rule := range forbidden {
			if !slices.ContainsFunc(rule.folders, func(f string) bool { return within(pkg.dir, f) }) {
				continue
			}
			for _, imp := range pkg.imports {
				if matches(imp, rule.imports) && !allowed(pkg.dir, imp, rule.except) {
					t.Errorf("%s imports %s: %s", pkg.dir, imp, rule.why)
				}
			}
		}
	}
}

func TestPackageDocs(t *testing.T) {
	for _, pkg := range packages(t) {
		if strings.TrimSpace(pkg.doc) == "" {
			t.Errorf("package %s has no doc comment: say what it is for and what it never does", pkg.dir)
		}
	}
}

func within(dir, folder string) bool {
	return folder == "." || dir == folder || strings.HasPrefix(dir, folder+"/")
}

func matches(imp string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool {
		if own, ok := strings.CutPrefix(p, "./"); ok {
			p = strings.TrimSuffix(module+"/"+own, "/")
		}
		return imp == p || strings.HasPrefix(imp, strings.TrimSuffix(p, "/")+"/")
	})
}

// allowed reports whether an exception applies; "folder=prefix" limits one to a folder.
func allowed(dir, imp string, except []string) bool {
	return slices.ContainsFunc(except, func(e string) bool {
		if folder, prefix, ok := strings.Cut(e, "="); ok {
			return within(dir, folder) && matches(imp, []string{prefix})
		}
		return matches(imp, []string{e})
	})
}

type pkgInfo struct {
	dir     string
	doc     string
	imports []string
}

// packages reads the import lines and package docs of the main module's packages, tests left out.
func packages(t *testing.T) []pkgInfo {
	t.Helper()
	found := map[string]*pkgInfo{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			if skipped(path, rel, d.Name()) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ImportsOnly|parser.ParseComments)
		if err != nil {
			return err
		}
		note(found, filepath.ToSlash(filepath.Dir(rel)), file)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	var list []pkgInfo
	for _, p := range found {
		list = append(list, *p)
	}
	sort.Slice(list, func(i, j int) bool { return list[i].dir < list[j].dir })
	if len(list) < 10 {
		t.Fatalf("found only %d packages below %s", len(list), root)
	}
	return list
}

// skipped leaves out hidden folders, test data, what is built, and nested modules.
func skipped(path, rel, name string) bool {
	if rel == "." {
		return false
	}
	_, err := os.Stat(filepath.Join(path, "go.mod"))
	return strings.HasPrefix(name, ".") || name == "testdata" || name == "bin" || err == nil
}

func note(found map[string]*pkgInfo, dir string, file *ast.File) {
	p := found[dir]
	if p == nil {
		p = &pkgInfo{dir: dir}
		found[dir] = p
	}
	p.doc += file.Doc.Text()
	for _, imp := range file.Imports {
		p.imports = append(p.imports, strings.Trim(imp.Path.Value, `"`))
	}
}
