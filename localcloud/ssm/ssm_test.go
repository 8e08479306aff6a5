package ssm_test

import (
	"errors"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"
	"github.com/google/go-cmp/cmp"

	"github.com/automode-dev/automode/localcloud/cloudtest"
)

func TestParameters(t *testing.T) {
	_, _, cfg := cloudtest.Core(t)
	client := ssm.NewFromConfig(cfg)
	put := func(name, value string, overwrite bool) (int64, error) {
		out, err := client.PutParameter(t.Context(), &ssm.PutParameterInput{Name: &name, Value: &value, Type: types.ParameterTypeString, Overwrite: &overwrite})
		if err != nil {
			return 0, err
		}
		return out.Version, nil
	}
	get := func(name string) string {
		t.Helper()
		out, err := client.GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name})
		if err != nil {
			return err.Error()[len(err.Error())-len("not found."):]
		}
		return *out.Parameter.Value
	}
	for _, p := range []string{"/app/db/host", "/app/db/port", "/app/name", "plain"} {
		if _, err := put(p, "value of "+p, false); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := put("plain", "x", false); !isA[*types.ParameterAlreadyExists](err) {
		t.Errorf("putting twice: %v", err)
	}
	if v, err := put("plain", "new", true); v != 2 || err != nil {
		t.Errorf("overwriting: version %d, %v", v, err)
	}
	if _, err := client.LabelParameterVersion(t.Context(), &ssm.LabelParameterVersionInput{Name: aws.String("plain"), ParameterVersion: aws.Int64(1), Labels: []string{"old"}}); err != nil {
		t.Error(err)
	}
	for name, want := range map[string]string{
		"plain": "new", "plain:1": "value of plain", "plain:old": "value of plain", "missing": "not found.",
		"arn:aws:ssm:us-east-1:111122223333:parameter/app/name": "value of /app/name",
		"arn:aws:ssm:us-east-1:111122223333:parameter/plain":    "new",
	} {
		if got := get(name); got != want {
			t.Errorf("%s = %q, want %q", name, got, want)
		}
	}

	var names []string
	pages := ssm.NewGetParametersByPathPaginator(client, &ssm.GetParametersByPathInput{Path: aws.String("/app"), Recursive: aws.Bool(true), MaxResults: aws.Int32(2)})
	for pages.HasMorePages() {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range page.Parameters {
			names = append(names, *p.Name)
		}
	}
	if d := cmp.Diff([]string{"/app/db/host", "/app/db/port", "/app/name"}, names); d != "" {
		t.Error(d)
	}
	root, err := client.GetParametersByPath(t.Context(), &ssm.GetParametersByPathInput{Path: aws.String("/")})
	if err != nil || len(root.Parameters) != 1 || *root.Parameters[0].Name != "plain" {
		t.Errorf("at the root: %v, %v", root, err)
	}
	out, err := client.DeleteParameters(t.Context(), &ssm.DeleteParametersInput{Names: []string{"plain", "missing"}})
	if err != nil || len(out.DeletedParameters) != 1 || len(out.InvalidParameters) != 1 {
		t.Errorf("deleting: %v, %v", out, err)
	}
	if _, err := put("/aws/mine", "x", false); err == nil {
		t.Error("a reserved name was accepted")
	}
}

func TestImageParameters(t *testing.T) {
	_, _, cfg := cloudtest.Core(t)
	name := "/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/x86_64/standard/recommended/image_id"
	ids := map[string]bool{}
	for _, region := range []string{"us-east-1", "eu-central-1"} {
		cfg.Region = region
		out, err := ssm.NewFromConfig(cfg).GetParameter(t.Context(), &ssm.GetParameterInput{Name: &name})
		if err != nil {
			t.Fatal(err)
		}
		ids[*out.Parameter.Value] = true
	}
	if len(ids) != 2 {
		t.Errorf("image ids %v, want one per region", ids)
	}
}

func isA[T error](err error) bool {
	_, ok := errors.AsType[T](err)
	return ok
}
