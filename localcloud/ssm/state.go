package ssm

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// publicPrefix begins the names of parameters that AWS keeps.
const publicPrefix = "/aws/"

// parameter is one parameter with its versions, the newest last.
type parameter struct {
	Region, Name string
	Description  string `json:",omitempty"`
	Pattern      string `json:",omitempty"`
	Tier         types.ParameterTier
	DataType     string
	Tags         map[string]string `json:",omitempty"`
	Versions     []version
}

type version struct {
	Number int64
	Type   types.ParameterType
	Value  string
	// Description and KeyID are those of the parameter when the version was made.
	Description string   `json:",omitempty"`
	KeyID       string   `json:",omitempty"`
	Labels      []string `json:",omitempty"`
	At          time.Time
	By          string
}

func (p *parameter) latest() *version { return &p.Versions[len(p.Versions)-1] }

func key(region, name string) string { return region + " " + name }

// get returns a parameter of the account or a public one; nil when there is none.
func (s *Service) get(tx *store.Tx, region, name string) (*parameter, error) {
	if strings.HasPrefix(name, publicPrefix) {
		value, ok := s.public(region)[name]
		if !ok {
			return nil, nil
		}
		return publicParameter(region, name, value), nil
	}
	for _, spelling := range spellings(name) {
		p, ok, err := store.Get[parameter](tx, bucket, key(region, spelling))
		if err != nil || ok {
			return &p, err
		}
	}
	return nil, nil
}

// spellings are the names that mean the same parameter: outside a hierarchy a leading slash makes no difference.
func spellings(name string) []string {
	bare := strings.TrimPrefix(name, "/")
	switch {
	case strings.Contains(bare, "/"):
		return []string{name}
	case bare == name:
		return []string{name, "/" + name}
	}
	return []string{name, bare}
}

func publicParameter(region, name, value string) *parameter {
	return &parameter{
		Region: region, Name: name, Tier: types.ParameterTierStandard, DataType: "text",
		Versions: []version{{Number: 1, Type: types.ParameterTypeString, Value: value, At: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)}},
	}
}

// find resolves "name", "name:version" and "name:label", or the ARN of a parameter.
func (s *Service) find(tx *store.Tx, region, selector string) (*parameter, *version, string, error) {
	if i := strings.Index(selector, ":parameter/"); strings.HasPrefix(selector, "arn:") && i > 0 {
		selector = selector[i+len(":parameter"):]
	}
	name, which, selected := strings.Cut(selector, ":")
	p, err := s.get(tx, region, name)
	if err != nil {
		return nil, nil, "", err
	}
	if p == nil {
		return nil, nil, "", wire.Errorf("ParameterNotFound", "Parameter %s not found.", name)
	}
	if !selected {
		return p, p.latest(), "", nil
	}
	number, _ := strconv.ParseInt(which, 10, 64)
	for i := range p.Versions {
		if v := &p.Versions[i]; v.Number == number || slices.Contains(v.Labels, which) {
			return p, v, ":" + which, nil
		}
	}
	return nil, nil, "", wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %s of %s. Verify the version and try again.", which, name)
}

func (s *Service) sdk(p *parameter, v *version, selector string) types.Parameter {
	out := types.Parameter{
		ARN: aws.String(s.arn(p.Region, p.Name)), DataType: &p.DataType, LastModifiedDate: &v.At, Name: &p.Name,
		Type: v.Type, Value: &v.Value, Version: v.Number,
	}
	if selector != "" {
		out.Selector = &selector
	}
	return out
}

// regionOf is the region of the call.
func regionOf(ctx context.Context) string { return wire.CallFrom(ctx).Region }
