package operator

import (
	"context"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"sort"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

var update = flag.Bool("update", false, "rewrite the files under testdata")

// TestAdmission applies the manifest in each file to a real API server and compares its answer with the text after the
// manifest: an error, or the object's spec with its defaults.
func TestAdmission(t *testing.T) {
	c := newControlPlane(t)
	files, err := filepath.Glob("testdata/admission/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no scenarios: %v", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			document, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(string(document), "--- answer\n")
			got := c.admit(t, input)
			if *update {
				if err := os.WriteFile(file, []byte(input+"--- answer\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("answer (-want +got; -update rewrites it):\n%s", diff)
			}
		})
	}
}

// admit applies the manifests one after the other and gives the answer to the last one.
func (c *testCluster) admit(t *testing.T, input string) string {
	t.Helper()
	answer := ""
	for _, text := range strings.Split(input, "---\n") {
		object := &unstructured.Unstructured{}
		if err := yaml.Unmarshal([]byte(text), object); err != nil {
			t.Fatal(err)
		}
		existing := &unstructured.Unstructured{}
		existing.SetGroupVersionKind(object.GroupVersionKind())
		if err := c.admin.Get(c.ctx, client.ObjectKeyFromObject(object), existing); err == nil {
			object.SetResourceVersion(existing.GetResourceVersion())
			if err := c.admin.Update(c.ctx, object); err != nil {
				answer = reasons(err)
				continue
			}
		} else if err := c.admin.Create(c.ctx, object); err != nil {
			answer = reasons(err)
			continue
		} else {
			defer func() { _ = c.admin.Delete(context.Background(), object) }()
		}
		shown, err := yaml.Marshal(object.Object["spec"])
		if err != nil {
			t.Fatal(err)
		}
		answer = string(shown)
	}
	return answer
}

var value = regexp.MustCompile(`Invalid value: (\{.*?\}|\[.*?\]|"(?:[^"\\]|\\.)*"|\S+): `)

// reasons prints an error of the API server, a line per reason in order, without the values it quotes.
func reasons(err error) string {
	text := err.Error()
	_, list, found := strings.Cut(text, " is invalid: ")
	if !found {
		return "error: " + text + "\n"
	}
	if inner, several := strings.CutPrefix(list, "["); several {
		list = strings.TrimSuffix(inner, "]")
	}
	list = value.ReplaceAllString(list, "Invalid value: ")
	lines := regexp.MustCompile(`, (?:spec[.:]|<nil>)`).ReplaceAllStringFunc(list, func(m string) string { return "\n" + m[2:] })
	sorted := strings.Split(lines, "\n")
	sort.Strings(sorted)
	return strings.Join(sorted, "\n") + "\n"
}
