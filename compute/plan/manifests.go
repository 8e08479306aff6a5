package plan

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/runtime/serializer/json"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/karpenter/pkg/apis"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
	"sigs.k8s.io/yaml"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
)

// document is one YAML document and where it stands.
type document struct {
	source string
	number int // from 1
	line   int // of the file, from 1
	text   []byte
}

func (d document) where() string {
	return fmt.Sprintf("%s: document %d (line %d)", d.source, d.number, d.line)
}

// Manifests are the objects of some files.
type Manifests struct {
	Objects []client.Object
	// Ignored counts objects of kinds that planning does not know, by apiVersion and kind.
	Ignored map[string]int
}

// Read reads manifests from files, directories (with everything below) and "-", which is standard input.
func Read(paths []string, stdin io.Reader) (*Manifests, error) {
	m := &Manifests{Ignored: map[string]int{}}
	for _, path := range paths {
		if err := m.readPath(path, stdin); err != nil {
			return nil, err
		}
	}
	return m, nil
}

func (m *Manifests) readPath(path string, stdin io.Reader) error {
	if path == "-" {
		text, err := io.ReadAll(stdin)
		if err != nil {
			return fmt.Errorf("reading manifests from standard input: %w", err)
		}
		return m.add("standard input", text)
	}
	info, err := os.Stat(path)
	if err != nil {
		return fmt.Errorf("reading manifests: %w", err)
	}
	if !info.IsDir() {
		return m.readFile(path)
	}
	return filepath.WalkDir(path, func(file string, entry fs.DirEntry, err error) error {
		if err != nil {
			return fmt.Errorf("reading manifests: %w", err)
		}
		if entry.IsDir() || !slices.Contains([]string{".yaml", ".yml", ".json"}, filepath.Ext(file)) {
			return nil
		}
		return m.readFile(file)
	})
}

func (m *Manifests) readFile(path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("reading manifests: %w", err)
	}
	return m.add(path, text)
}

func (m *Manifests) add(source string, text []byte) error {
	for _, d := range split(source, text) {
		if err := m.decode(d); err != nil {
			return err
		}
	}
	return nil
}

// split cuts a file into its documents; empty ones are left out but counted.
func split(source string, text []byte) []document {
	var documents []document
	current := document{source: source, number: 1, line: 1}
	finish := func() {
		if len(bytes.TrimSpace(withoutComments(current.text))) > 0 {
			documents = append(documents, current)
		}
	}
	lines := bufio.NewReader(bytes.NewReader(text))
	for number := 1; ; number++ {
		line, err := lines.ReadBytes('\n')
		if rest, ok := bytes.CutPrefix(line, []byte("---")); ok && len(bytes.TrimSpace(rest)) == 0 {
			finish()
			current = document{source: source, number: current.number + 1, line: number + 1}
			if len(documents) == 0 && number == 1 {
				current.number = 1
			}
		} else {
			current.text = append(current.text, line...)
		}
		if err != nil {
			break
		}
	}
	finish()
	return documents
}

func withoutComments(text []byte) []byte {
	var kept []byte
	for line := range bytes.Lines(text) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) {
			kept = append(kept, line...)
		}
	}
	return kept
}

var (
	decoders  = newDecoders()
	lineInYML = regexp.MustCompile(`line (\d+)`)
)

func newDecoders() runtime.Decoder {
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{clientgoscheme.AddToScheme, eksv1.AddToScheme} {
		if err := add(scheme); err != nil {
			panic(fmt.Sprintf("adding types to the scheme: %v", err)) // two types of one name: a mistake in the program
		}
	}
	karpenter := schema.GroupVersion{Group: apis.Group, Version: "v1"}
	scheme.AddKnownTypes(karpenter, &karpv1.NodePool{}, &karpv1.NodePoolList{}, &karpv1.NodeClaim{}, &karpv1.NodeClaimList{})
	return json.NewSerializerWithOptions(json.DefaultMetaFactory, scheme, scheme, json.SerializerOptions{Strict: true})
}

func (m *Manifests) decode(d document) error {
	data, err := yaml.YAMLToJSONStrict(d.text)
	if err != nil {
		return fmt.Errorf("%s: %s", d.where(), d.absoluteLines(strings.TrimPrefix(err.Error(), "error converting YAML to JSON: ")))
	}
	return m.decodeJSON(d, data)
}

func (m *Manifests) decodeJSON(d document, data []byte) error {
	var list struct {
		APIVersion string                 `json:"apiVersion"`
		Kind       string                 `json:"kind"`
		Items      []runtime.RawExtension `json:"items"`
	}
	if err := yaml.Unmarshal(data, &list); err != nil || list.Kind == "" || list.APIVersion == "" {
		return fmt.Errorf("%s: not a Kubernetes object: apiVersion and kind are needed", d.where())
	}
	if strings.HasSuffix(list.Kind, "List") && list.Items != nil {
		for _, item := range list.Items {
			if err := m.decodeJSON(d, item.Raw); err != nil {
				return err
			}
		}
		return nil
	}
	object, _, err := decoders.Decode(data, nil, nil)
	switch {
	case runtime.IsNotRegisteredError(err):
		m.Ignored[list.APIVersion+" "+list.Kind]++
		return nil
	case err != nil:
		return fmt.Errorf("%s: %s %s", d.where(), list.Kind, reasonOf(err))
	}
	o, ok := object.(client.Object)
	if !ok {
		m.Ignored[list.APIVersion+" "+list.Kind]++
		return nil
	}
	if o.GetName() == "" && o.GetGenerateName() == "" {
		return fmt.Errorf("%s: %s has no metadata.name", d.where(), list.Kind)
	}
	o.GetObjectKind().SetGroupVersionKind(gvk(list.APIVersion, list.Kind))
	m.Objects = append(m.Objects, o)
	return nil
}

// absoluteLines turns the line numbers of a message, which count from the document's start, into those of the file.
func (d document) absoluteLines(message string) string {
	return lineInYML.ReplaceAllStringFunc(message, func(match string) string {
		n, err := strconv.Atoi(strings.TrimPrefix(match, "line "))
		if err != nil {
			return match
		}
		return fmt.Sprintf("line %d", n+d.line-1)
	})
}

// reasonOf shortens what the decoder says.
func reasonOf(err error) string {
	if strict, ok := runtime.AsStrictDecodingError(err); ok {
		return "cannot be used: " + strings.ReplaceAll(errors.Join(strict.Errors()...).Error(), "\n", "; ")
	}
	text := err.Error()
	if i := strings.Index(text, "json: "); i >= 0 {
		text = text[i+len("json: "):]
	}
	return "cannot be used: " + text
}

// namespaceOf is where an object of a manifest goes.
func namespaceOf(o client.Object) string {
	if o.GetNamespace() == "" {
		return corev1.NamespaceDefault
	}
	return o.GetNamespace()
}
