package wire

import (
	"flag"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/pricing"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/google/go-cmp/cmp"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

var update = flag.Bool("update", false, "rewrite golden files")

// clients are where the SDK's input and output types are found by operation name.
var clients = map[string]reflect.Type{
	"ec2": reflect.TypeFor[*ec2.Client](), "eks": reflect.TypeFor[*eks.Client](), "iam": reflect.TypeFor[*iam.Client](),
	"pricing": reflect.TypeFor[*pricing.Client](), "ssm": reflect.TypeFor[*ssm.Client](), "sts": reflect.TypeFor[*sts.Client](),
}

// sdkTypes returns the input and output struct of an operation.
func sdkTypes(t testing.TB, service, op string) (in, out reflect.Type) {
	m, ok := clients[service].MethodByName(op)
	if !ok {
		t.Fatalf("%s: the SDK has no operation %s", service, op)
	}
	return m.Type.In(2).Elem(), m.Type.Out(0).Elem()
}

// TestModelsMatchSDK lists where the model and the SDK know different members.
func TestModelsMatchSDK(t *testing.T) {
	var lines []string
	for service := range clients {
		m, err := models.Load(service)
		if err != nil {
			t.Fatal(err)
		}
		c := compilerFor(m)
		seen := map[*plan]bool{}
		for op, o := range m.Operations {
			in, out := sdkTypes(t, service, op)
			gaps(service, c.compile(o.In, in, ""), seen, &lines)
			gaps(service, c.compile(o.Out, out, ""), seen, &lines)
		}
	}
	slices.Sort(lines)
	got := strings.Join(slices.Compact(lines), "\n") + "\n"
	const golden = "testdata/model-gaps.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got; -update rewrites it):\n%s", golden, d)
	}
}

func gaps(service string, p *plan, seen map[*plan]bool, lines *[]string) {
	if p == nil || seen[p] {
		return
	}
	seen[p] = true
	gaps(service, p.elem, seen, lines)
	if p.kind != kindStructure {
		return
	}
	known := map[int]bool{}
	for _, f := range p.fields {
		known[f.index] = true
		gaps(service, f.plan, seen, lines)
	}
	for _, m := range p.shape.Members {
		if _, ok := p.typ.FieldByName(goName(m.Name)); !ok {
			*lines = append(*lines, fmt.Sprintf("%s: %s.%s is only in the model", service, p.typ.Name(), m.Name))
		}
	}
	for i := range p.typ.NumField() {
		f := p.typ.Field(i)
		if !known[i] && f.IsExported() && f.Name != "ResultMetadata" {
			*lines = append(*lines, fmt.Sprintf("%s: %s.%s is only in the SDK", service, p.typ.Name(), f.Name))
		}
	}
}
