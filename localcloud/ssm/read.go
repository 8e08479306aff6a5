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
		for _, name := range in.Names {
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

// GetParametersByPath lists the parameters below a path, one level or all; filters by Type and Label are not offered.
func (s *Service) GetParametersByPath(ctx context.Context, in *ssm.GetParametersByPathInput) (*ssm.GetParametersByPathOutput, error) {
	path := strings.TrimSuffix(*in.Path, "/") + "/"
	if !strings.HasPrefix(path, "/") {
		return nil, wire.Errorf("ValidationException", "The parameter doesn't meet the parameter name requirements. The parameter name must begin with a forward slash \"/\".")
	}
	if err := s.authorize(ctx, "GetParametersByPath", path, nil); err != nil {
		return nil, err
	}
	if len(in.ParameterFilters) > 0 {
		return nil, wire.Errorf("InvalidFilterKey", "The local cloud offers no filters for GetParametersByPath.")
	}
	out := &ssm.GetParametersByPathOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		list, err := s.all(tx, regionOf(ctx), path)
		if err != nil {
			return err
		}
		recursive := aws.ToBool(in.Recursive)
		list = slices.DeleteFunc(list, func(p *parameter) bool {
			rest, under := strings.CutPrefix(p.Name, path)
			return !under || !recursive && strings.Contains(rest, "/")
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

// DescribeParameters lists parameters without values; filters: Name and Path (Equals, BeginsWith, Contains, Recursive), Type.
func (s *Service) DescribeParameters(ctx context.Context, in *ssm.DescribeParametersInput) (*ssm.DescribeParametersOutput, error) {
	if err := s.authorize(ctx, "DescribeParameters", "", nil); err != nil {
		return nil, err
	}
	for _, f := range in.ParameterFilters {
		if !slices.Contains([]string{"Name", "Path", "Type"}, aws.ToString(f.Key)) {
			return nil, wire.Errorf("InvalidFilterKey", "The filter key %s is not offered by the local cloud.", aws.ToString(f.Key))
		}
	}
	out := &ssm.DescribeParametersOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		list, err := s.all(tx, regionOf(ctx), "")
		if err != nil {
			return err
		}
		list = slices.DeleteFunc(list, func(p *parameter) bool { return !matchesAll(p, in.ParameterFilters) })
		list, out.NextToken, err = page(list, in.NextToken, in.MaxResults, 50)
		for _, p := range list {
			out.Parameters = append(out.Parameters, s.metadata(p))
		}
		return err
	})
	return out, err
}

func matchesAll(p *parameter, filters []types.ParameterStringFilter) bool {
	for _, f := range filters {
		if !slices.ContainsFunc(f.Values, func(v string) bool { return matches(p, aws.ToString(f.Key), aws.ToString(f.Option), v) }) {
			return false
		}
	}
	return true
}

func matches(p *parameter, key, option, value string) bool {
	switch {
	case key == "Type":
		return string(p.latest().Type) == value
	case key == "Path":
		rest, under := strings.CutPrefix(p.Name, strings.TrimSuffix(value, "/")+"/")
		return under && (option == "Recursive" || !strings.Contains(rest, "/"))
	case option == "BeginsWith":
		return strings.HasPrefix(p.Name, value)
	case option == "Contains":
		return strings.Contains(p.Name, value)
	}
	return p.Name == value
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
			out.Parameters = append(out.Parameters, types.ParameterHistory{
				DataType: &p.DataType, Labels: v.Labels, LastModifiedDate: &v.At, LastModifiedUser: &v.By, Name: &p.Name,
				Tier: p.Tier, Type: v.Type, Value: &v.Value, Version: v.Number,
			})
		}
		return nil
	})
	return out, err
}
