package ssm

import (
	"context"
	"encoding/base64"
	"errors"
	"maps"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// GetParameter returns one parameter by name, ARN, name:version or name:label. SecureStrings are stored as they are.
func (s *Service) GetParameter(ctx context.Context, in *ssm.GetParameterInput) (out *ssm.GetParameterOutput, err error) {
	err = s.db.View(func(tx *store.Tx) error {
		p, v, selector, err := s.find(tx, regionOf(ctx), *in.Name)
		if denied := s.authorize(ctx, "GetParameter", plainName(*in.Name), p); denied != nil {
			return denied
		}
		if err != nil {
			return err
		}
		shown := s.sdk(p, v, selector)
		out = &ssm.GetParameterOutput{Parameter: &shown}
		return nil
	})
	return out, err
}

func plainName(selector string) string {
	if strings.HasPrefix(selector, "arn:") {
		_, selector, _ = strings.Cut(selector, ":parameter")
	}
	name, _, _ := strings.Cut(selector, ":")
	return name
}

// GetParameters returns up to ten parameters and names those that do not exist.
func (s *Service) GetParameters(ctx context.Context, in *ssm.GetParametersInput) (*ssm.GetParametersOutput, error) {
	out := &ssm.GetParametersOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		for i, name := range in.Names {
			if slices.Contains(in.Names[:i], name) {
				continue
			}
			p, v, selector, err := s.find(tx, regionOf(ctx), name)
			if denied := s.authorize(ctx, "GetParameters", plainName(name), p); denied != nil {
				return denied
			}
			if _, isAPI := errors.AsType[*wire.Error](err); isAPI {
				out.InvalidParameters = append(out.InvalidParameters, name)
				continue
			}
			if err != nil {
				return err
			}
			out.Parameters = append(out.Parameters, s.sdk(p, v, selector))
		}
		return nil
	})
	return out, err
}

// all returns the account's parameters of a region and, under /aws/, the public ones, by name.
func (s *Service) all(tx *store.Tx, region, prefix string) ([]*parameter, error) {
	var list []*parameter
	if strings.HasPrefix(prefix, publicPrefix) || prefix == strings.TrimSuffix(publicPrefix, "/") {
		public := s.public(region)
		for _, name := range slices.Sorted(maps.Keys(public)) {
			list = append(list, publicParameter(region, name, public[name]))
		}
		return list, nil
	}
	err := store.Each(tx, bucket, key(region, prefix), func(_ string, p parameter) error {
		list = append(list, &p)
		return nil
	})
	return list, err
}

// GetParametersByPath lists the parameters below a path, one level or all, filtered by Type, KeyId and Label.
func (s *Service) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	path := strings.TrimSuffix(*in.Path, "/") + "/"
	prefix := path
	if path == "/" {
		prefix = "" // names without a slash stand at the root
	}
	if !strings.HasPrefix(path, "/") {
		return nil, wire.Errorf("ValidationException", "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".")
	}
	if err := s.authorize(ctx, "GetParametersByPath", path, nil); err != nil {
		return nil, err
	}
	if err := checkFilters(in.ParameterFilters, "Type", "KeyId", "Label"); err != nil {
		return nil, err
	}
	out := &ssm.GetParametersByPathOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		list, err := s.all(tx, regionOf(ctx), prefix)
		if err != nil {
			return err
		}
		recursive := aws.ToBool(in.Recursive)
		list = slices.DeleteFunc(list, func(p *parameter) bool {
			rest, under := strings.CutPrefix("/"+strings.TrimPrefix(p.Name, "/"), path)
			return !under || !recursive && strings.Contains(rest, "/") || !matchesAll(p, in.ParameterFilters)
		})
		list, out.NextToken, err = page(list, in.NextToken, in.MaxResults, 10)
		for _, p := range list {
			out.Parameters = append(out.Parameters, s.sdk(p, p.latest(), ""))
		}
		return err
	})
	return out, err
}

// page cuts a page after the name in the token.
func page(list []*parameter, token *string, max *int32, most int) ([]*parameter, *string, error) {
	if token != nil {
		after, err := base64.StdEncoding.DecodeString(*token)
		if err != nil {
			return nil, nil, wire.Errorf("InvalidNextToken", "The specified token isn't valid.")
		}
		list = slices.DeleteFunc(list, func(p *parameter) bool { return p.Name <= string(after) })
	}
	if max != nil {
		most = int(*max)
	}
	if len(list) <= most {
		return list, nil, nil
	}
	return list[:most], aws.String(base64.StdEncoding.EncodeToString([]byte(list[most-1].Name))), nil
}

// DescribeParameters lists parameters without values; filters: Name, Path, Type, Tier, KeyId, DataType, tag:<key>.
func (s *Service) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	if err := s.authorize(ctx, "DescribeParameters", "", nil); err != nil {
		return nil, err
	}
	filters := in.ParameterFilters
	for _, f := range in.Filters { // the older form
		filters = append(filters, types.ParameterStringFilter{Key: aws.String(string(f.Key)), Values: f.Values})
	}
	if err := checkFilters(filters, "Path", "Name", "Type", "KeyId", "Tier", "DataType"); err != nil {
		return nil, err
	}
	out := &ssm.DescribeParametersOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		list, err := s.all(tx, regionOf(ctx), "")
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(p *parameter) bool { return !matchesAll(p, filters) })
		list, out.NextToken, err = page(list, in.NextToken, in.MaxResults, 50)
		for _, p := range list {
			out.Parameters = append(out.Parameters, s.metadata(p))
		}
		return err
	})
	return out, err
}

// checkFilters refuses keys that an operation does not have, and keys given twice.
func checkFilters(filters []types.ParameterStringFilter, keys ...string) error {
	seen := map[string]bool{}
	for _, f := range filters {
		key := aws.ToString(f.Key)
		switch {
		case !slices.Contains(keys, key) && !strings.HasPrefix(key, "tag:"):
			return wire.Errorf("InvalidFilterKey", "The following filter key is not valid: %s. Valid filter keys include: [%s].", key, strings.Join(keys, ", "))
		case seen[key]:
			return wire.Errorf("InvalidFilterKey", "The following filter is duplicated in the request: %s. A request can contain only one occurrence of a specific filter.", key)
		case len(f.Values) == 0 && !strings.HasPrefix(key, "tag:"):
			return wire.Errorf("InvalidFilterValue", "The following filter values are missing : null for filter key %s.", key)
		}
		seen[key] = true
	}
	return nil
}

func matchesAll(p *parameter, filters []types.ParameterStringFilter) bool {
	for _, f := range filters {
		key := aws.ToString(f.Key)
		if tag, isTag := strings.CutPrefix(key, "tag:"); isTag {
			value, has := p.Tags[tag]
			if !has || len(f.Values) > 0 && !slices.Contains(f.Values, value) {
				return false
			}
			continue
		}
		if !slices.ContainsFunc(f.Values, func(v string) bool { return matches(p, key, aws.ToString(f.Option), v) }) {
			return false
		}
	}
	return true
}

func matches(p *parameter, key, option, value string) bool {
	switch key {
	case "Path":
		rest, under := strings.CutPrefix(p.Name, strings.TrimSuffix(value, "/")+"/")
		return under && (option == "Recursive" || !strings.Contains(rest, "/"))
	case "Label":
		return slices.ContainsFunc(p.Versions, func(v version) bool { return slices.Contains(v.Labels, value) })
	}
	field := map[string]string{"Type": string(p.latest().Type), "KeyId": p.latest().KeyID, "Tier": string(p.Tier), "DataType": p.DataType, "Name": p.Name}[key]
	switch option {
	case "BeginsWith":
		return strings.HasPrefix(field, value) || key == "Name" && strings.HasPrefix(field, "/"+value)
	case "Contains":
		return strings.Contains(field, value)
	}
	return field == value || key == "Name" && slices.Contains(spellings(value), field)
}

func (s *Service) metadata(p *parameter) types.ParameterMetadata {
	v := p.latest()
	m := types.ParameterMetadata{
		ARN: aws.String(s.arn(p.Region, p.Name)), DataType: &p.DataType, LastModifiedDate: &v.At, LastModifiedUser: &v.By,
		Name: &p.Name, Tier: p.Tier, Type: v.Type, Version: v.Number, Policies: []types.ParameterInlinePolicy{},
	}
	if p.Description != "" {
		m.Description = &p.Description
	}
	if p.Pattern != "" {
		m.AllowedPattern = &p.Pattern
	}
	if v.KeyID != "" {
		m.KeyId = &v.KeyID
	}
	return m
}

// GetParameterHistory lists the versions of a parameter.
func (s *Service) GetParameterHistory(ctx context.Context, in *ssm.GetParameterHistoryInput) (*ssm.GetParameterHistoryOutput, error) {
	out := &ssm.GetParameterHistoryOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		p, _, _, err := s.find(tx, regionOf(ctx), *in.Name)
		if denied := s.authorize(ctx, "GetParameterHistory", *in.Name, p); denied != nil {
			return denied
		}
		if err != nil {
			return err
		}
		for i := range p.Versions {
			v := &p.Versions[i]
			h := types.ParameterHistory{
				DataType: &p.DataType, Labels: append([]string{}, v.Labels...), LastModifiedDate: &v.At, LastModifiedUser: &v.By, Name: &p.Name,
				Tier: p.Tier, Type: v.Type, Value: &v.Value, Version: v.Number, Policies: []types.ParameterInlinePolicy{},
			}
			if v.Description != "" {
				h.Description = &v.Description
			}
			if v.KeyID != "" {
				h.KeyId = &v.KeyID
			}
			out.Parameters = append(out.Parameters, h)
		}
		return nil
	})
	return out, err
}
