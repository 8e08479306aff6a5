package ssm

import (
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	"github.com/aws/aws-sdk-go-v2/service/ssm/types"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

const maxVersions = 100

// change loads a parameter, authorises, lets f change it and stores it.
func (s *Service) change(ctx context.Context, operation, name string, f func(tx *store.Tx, p *parameter) error) error {
	return s.db.Update(func(tx *store.Tx) error {
		p, err := s.get(tx, regionOf(ctx), name)
		if err != nil {
			return err
		}
		if err := s.authorize(ctx, operation, name, p); err != nil {
			return err
		}
		if p == nil {
			return wire.Errorf("ParameterNotFound", "Parameter %s not found.", name)
		}
		if strings.HasPrefix(name, publicPrefix) {
			return wire.Errorf("AccessDeniedException", "No access to reserved parameter name: %s.", name)
		}
		if err := f(tx, p); err != nil {
			return err
		}
		return store.Put(tx, bucket, key(p.Region, p.Name), p)
	})
}

// PutParameter creates a parameter or adds a version; values are limited to 4 KiB (Standard) or 8 KiB (Advanced).
func (s *Service) PutParameter(ctx context.Context, in *ssm.PutParameterInput) (*ssm.PutParameterOutput, error) {
	if err := checkName(*in.Name); err != nil {
		return nil, err
	}
	var latest version
	tier := in.Tier
	if tier == "" || tier == types.ParameterTierIntelligentTiering {
		tier = types.ParameterTierStandard
	}
	err := s.db.Update(func(tx *store.Tx) error {
		p, err := s.get(tx, regionOf(ctx), *in.Name)
		if err != nil {
			return err
		}
		if err := s.authorize(ctx, "PutParameter", *in.Name, p); err != nil {
			return err
		}
		if err := checkValue(in, p, tier); err != nil {
			return err
		}
		if p == nil {
			p = &parameter{Region: regionOf(ctx), Name: *in.Name, DataType: "text", Tags: map[string]string{}}
			for _, t := range in.Tags {
				p.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
			}
		}
		p.set(in, tier)
		latest = version{
			Number: 1, Type: in.Type, Value: *in.Value, At: s.clock.Now().UTC(), By: access.CallerFrom(ctx).ARN,
			Description: p.Description, KeyID: aws.ToString(in.KeyId),
		}
		if n := len(p.Versions); n > 0 {
			latest.Number = p.Versions[n-1].Number + 1
			if latest.Type == "" {
				latest.Type = p.Versions[n-1].Type
			}
		}
		if latest.Type == types.ParameterTypeSecureString && latest.KeyID == "" {
			latest.KeyID = "alias/aws/ssm"
		}
		p.Versions = append(p.Versions, latest)
		if len(p.Versions) > maxVersions {
			p.Versions = p.Versions[1:]
		}
		return store.Put(tx, bucket, key(p.Region, p.Name), p)
	})
	return &ssm.PutParameterOutput{Tier: tier, Version: latest.Number}, err
}

func (p *parameter) set(in *ssm.PutParameterInput, tier types.ParameterTier) {
	p.Tier = tier
	if in.Description != nil {
		p.Description = *in.Description
	}
	if in.AllowedPattern != nil {
		p.Pattern = *in.AllowedPattern
	}
	if in.DataType != nil {
		p.DataType = *in.DataType
	}
}

var dataTypes = []string{"text", "aws:ec2:image", "aws:ssm:integration"}

var validName = regexp.MustCompile(`^[a-zA-Z0-9_.\-/]+$`)

func checkName(name string) error {
	bare := strings.ToLower(strings.TrimPrefix(name, "/"))
	switch {
	case name[0] != '/' && (strings.HasPrefix(bare, "aws") || strings.HasPrefix(bare, "ssm")):
		return wire.Errorf("ValidationException", "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive).")
	case strings.HasPrefix(bare, "aws/"), strings.HasPrefix(bare, "ssm/"), bare == "aws", bare == "ssm":
		return wire.Errorf("ValidationException", "Parameter name: can't be prefixed with \"aws\" or \"ssm\" (case-insensitive). If formed as a path, it can consist of sub-paths divided by slash symbol; each sub-path can be formed as a mix of letters, numbers and the following 3 symbols .-_")
	case !validName.MatchString(name):
		return wire.Errorf("ValidationException", "Invalid request provided: Parameter name: only a mix of letters, numbers and the following 3 symbols .-_ can be used.")
	case strings.Contains(name[1:], "/") && name[0] != '/':
		return wire.Errorf("ValidationException", "Parameter name must be a fully qualified name.")
	}
	return nil
}

func checkValue(in *ssm.PutParameterInput, old *parameter, tier types.ParameterTier) error {
	limit := 4096
	if tier == types.ParameterTierAdvanced {
		limit = 8192
	}
	switch {
	case old != nil && !aws.ToBool(in.Overwrite):
		return wire.Errorf("ParameterAlreadyExists", "The parameter already exists. To overwrite this value, set the overwrite option in the request to true.")
	case old == nil && in.Type == "":
		return wire.Errorf("ValidationException", "A parameter type is required when you create a parameter.")
	case old != nil && len(in.Tags) > 0:
		return wire.Errorf("ValidationException", "Invalid request: tags and overwrite can't be used together. To create a parameter with tags, please remove overwrite flag. To update tags for an existing parameter, please use AddTagsToResource or RemoveTagsFromResource.")
	case *in.Value == "":
		return wire.Errorf("ValidationException", "1 validation error detected: Value '' at 'value' failed to satisfy constraint: Member must have length greater than or equal to 1.")
	case in.DataType != nil && !slices.Contains(dataTypes, *in.DataType):
		return wire.Errorf("ValidationException", "The following data type is not supported: %s (Data type names are all lowercase.)", *in.DataType)
	case len(*in.Value) > limit:
		return wire.Errorf("ValidationException", "%s tier parameters support a maximum parameter value of %d characters.", tier, limit)
	}
	if in.AllowedPattern != nil {
		re, err := regexp.Compile(*in.AllowedPattern)
		if err != nil {
			return wire.Errorf("InvalidAllowedPatternException", "The request does not meet the regular expression requirement.")
		}
		if !re.MatchString(*in.Value) {
			return wire.Errorf("ParameterPatternMismatchException", "Parameter value, cannot be validated against allowedPattern: %s", *in.AllowedPattern)
		}
	}
	return nil
}

// DeleteParameter removes a parameter with all versions.
func (s *Service) DeleteParameter(ctx context.Context, in *ssm.DeleteParameterInput) (*ssm.DeleteParameterOutput, error) {
	return nil, s.delete(ctx, "DeleteParameter", *in.Name)
}

func (s *Service) delete(ctx context.Context, operation, name string) error {
	return s.db.Update(func(tx *store.Tx) error {
		p, err := s.get(tx, regionOf(ctx), name)
		if err != nil {
			return err
		}
		if err := s.authorize(ctx, operation, name, p); err != nil {
			return err
		}
		if p == nil || strings.HasPrefix(name, publicPrefix) {
			return wire.Errorf("ParameterNotFound", "Parameter %s not found.", name)
		}
		return store.Delete(tx, bucket, key(p.Region, p.Name))
	})
}

// DeleteParameters removes up to ten parameters and names those that do not exist.
func (s *Service) DeleteParameters(ctx context.Context, in *ssm.DeleteParametersInput) (*ssm.DeleteParametersOutput, error) {
	out := &ssm.DeleteParametersOutput{}
	for _, name := range in.Names {
		err := s.delete(ctx, "DeleteParameters", name)
		switch {
		case wire.Code(err) == "ParameterNotFound":
			out.InvalidParameters = append(out.InvalidParameters, name)
		case err != nil:
			return nil, err
		default:
			out.DeletedParameters = append(out.DeletedParameters, name)
		}
	}
	return out, nil
}

// LabelParameterVersion moves labels to a version.
func (s *Service) LabelParameterVersion(ctx context.Context, in *ssm.LabelParameterVersionInput) (*ssm.LabelParameterVersionOutput, error) {
	out := &ssm.LabelParameterVersionOutput{}
	err := s.change(ctx, "LabelParameterVersion", *in.Name, func(_ *store.Tx, p *parameter) error {
		target := p.latest()
		if in.ParameterVersion != nil {
			i := slices.IndexFunc(p.Versions, func(v version) bool { return v.Number == *in.ParameterVersion })
			if i < 0 {
				return wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %d of %s. Verify the version and try again.", *in.ParameterVersion, p.Name)
			}
			target = &p.Versions[i]
		}
		out.ParameterVersion = target.Number
		for _, label := range in.Labels {
			if _, err := strconv.Atoi(label[:1]); err == nil || strings.HasPrefix(strings.ToLower(label), "aws") {
				out.InvalidLabels = append(out.InvalidLabels, label)
				continue
			}
			for i := range p.Versions {
				p.Versions[i].Labels = slices.DeleteFunc(p.Versions[i].Labels, func(l string) bool { return l == label })
			}
			target.Labels = append(target.Labels, label)
		}
		return nil
	})
	return out, err
}

// UnlabelParameterVersion takes labels off a version.
func (s *Service) UnlabelParameterVersion(ctx context.Context, in *ssm.UnlabelParameterVersionInput) (*ssm.UnlabelParameterVersionOutput, error) {
	out := &ssm.UnlabelParameterVersionOutput{}
	err := s.change(ctx, "UnlabelParameterVersion", *in.Name, func(_ *store.Tx, p *parameter) error {
		i := slices.IndexFunc(p.Versions, func(v version) bool { return v.Number == *in.ParameterVersion })
		if i < 0 {
			return wire.Errorf("ParameterVersionNotFound", "Systems Manager could not find version %d of %s. Verify the version and try again.", *in.ParameterVersion, p.Name)
		}
		v := &p.Versions[i]
		for _, label := range in.Labels {
			if slices.Contains(v.Labels, label) {
				out.RemovedLabels = append(out.RemovedLabels, label)
			} else {
				out.InvalidLabels = append(out.InvalidLabels, label)
			}
		}
		v.Labels = slices.DeleteFunc(v.Labels, func(l string) bool { return slices.Contains(in.Labels, l) })
		return nil
	})
	return out, err
}

func parameterOnly(kind types.ResourceTypeForTagging) error {
	if kind != types.ResourceTypeForTaggingParameter {
		return wire.Errorf("InvalidResourceType", "The local cloud has only resources of type Parameter.")
	}
	return nil
}

// tagging is change for operations that call an unknown parameter an invalid resource.
func (s *Service) tagging(ctx context.Context, operation, name string, f func(p *parameter)) error {
	err := s.change(ctx, operation, name, func(_ *store.Tx, p *parameter) error {
		f(p)
		return nil
	})
	if wire.Code(err) == "ParameterNotFound" {
		return wire.Errorf("InvalidResourceId", "The resource ID \"%s\" is not valid. Verify the ID and try again.", name)
	}
	return err
}

// AddTagsToResource adds tags to a parameter.
func (s *Service) AddTagsToResource(ctx context.Context, in *ssm.AddTagsToResourceInput) (*ssm.AddTagsToResourceOutput, error) {
	if err := parameterOnly(in.ResourceType); err != nil {
		return nil, err
	}
	return nil, s.tagging(ctx, "AddTagsToResource", *in.ResourceId, func(p *parameter) {
		if p.Tags == nil {
			p.Tags = map[string]string{}
		}
		for _, t := range in.Tags {
			p.Tags[aws.ToString(t.Key)] = aws.ToString(t.Value)
		}
	})
}

// RemoveTagsFromResource removes tags of a parameter.
func (s *Service) RemoveTagsFromResource(ctx context.Context, in *ssm.RemoveTagsFromResourceInput) (*ssm.RemoveTagsFromResourceOutput, error) {
	if err := parameterOnly(in.ResourceType); err != nil {
		return nil, err
	}
	return nil, s.tagging(ctx, "RemoveTagsFromResource", *in.ResourceId, func(p *parameter) {
		for _, k := range in.TagKeys {
			delete(p.Tags, k)
		}
	})
}

// ListTagsForResource lists the tags of a parameter.
func (s *Service) ListTagsForResource(ctx context.Context, in *ssm.ListTagsForResourceInput) (*ssm.ListTagsForResourceOutput, error) {
	out := &ssm.ListTagsForResourceOutput{}
	err := s.db.View(func(tx *store.Tx) error {
		p, err := s.get(tx, regionOf(ctx), *in.ResourceId)
		if err != nil {
			return err
		}
		if err := s.authorize(ctx, "ListTagsForResource", *in.ResourceId, p); err != nil {
			return err
		}
		if p == nil {
			return wire.Errorf("InvalidResourceId", "The resource ID isn't valid. Verify that you entered the correct ID and try again.")
		}
		for k, v := range p.Tags {
			out.TagList = append(out.TagList, types.Tag{Key: &k, Value: &v})
		}
		slices.SortFunc(out.TagList, func(a, b types.Tag) int { return strings.Compare(*a.Key, *b.Key) })
		return nil
	})
	return out, err
}
