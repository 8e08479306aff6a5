package ec2

import (
	"context"
	"regexp"
	"slices"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// templateRow is a launch template with its versions, oldest first.
type templateRow struct {
	types.LaunchTemplate
	Versions []types.LaunchTemplateVersion
}

var templateKind = register(&kind[templateRow]{
	prefix: "lt", resource: types.ResourceTypeLaunchTemplate,
	absent: func(ids []string) error {
		return errorf("InvalidLaunchTemplateId.NotFound", "The specified launch template, with template ID %s, does not exist.", ids[0])
	},
	badID: func(id string) error {
		return errorf("InvalidLaunchTemplateId.Malformed", "Invalid launch template ID: %s", id)
	},
	table:    func(r *region) *table[templateRow] { return r.templates },
	tags:     func(t *templateRow) []types.Tag { return t.Tags },
	retag:    func(t *templateRow, tags []types.Tag) { t.Tags = tags },
	operator: func(t *templateRow) *types.OperatorResponse { return t.Operator },
	filters: map[string]func(*region, *templateRow) []string{
		"launch-template-name": func(_ *region, t *templateRow) []string { return one(t.LaunchTemplateName) },
		"create-time": func(_ *region, t *templateRow) []string {
			return []string{t.CreateTime.Format("2006-01-02T15:04:05.000Z")}
		},
	},
})

var templateName = regexp.MustCompile(`^[a-zA-Z0-9().\-/_]{3,128}$`)

// named finds a template by id or name; exactly one must be given.
func (r *region) template(id, name *string) (*templateRow, error) {
	switch {
	case id != nil && name != nil:
		return nil, combination("The request must contain either a launch template ID or a launch template name, not both.")
	case id != nil:
		return templateKind.find(r, *id)
	case name != nil:
		if id, ok := r.index.templateIDs[*name]; ok {
			return r.templates.get(id), nil
		}
		return nil, errorf("InvalidLaunchTemplateName.NotFoundException", "The specified launch template, with template name %s, does not exist.", *name)
	}
	return nil, missing("launch template ID or launch template name")
}

// version finds a version by number, $Latest, $Default, or the default one for "".
func (t *templateRow) version(text string) (*types.LaunchTemplateVersion, error) {
	number := *t.DefaultVersionNumber
	switch text {
	case "", "$Default":
	case "$Latest":
		number = *t.LatestVersionNumber
	default:
		n, err := strconv.ParseInt(text, 10, 64)
		if err != nil {
			return nil, errorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", text, *t.LaunchTemplateId)
		}
		number = n
	}
	for i := range t.Versions {
		if *t.Versions[i].VersionNumber == number {
			return &t.Versions[i], nil
		}
	}
	return nil, errorf("InvalidLaunchTemplateId.VersionNotFound", "Could not find the specified version %s for the launch template with ID %s.", text, *t.LaunchTemplateId)
}

// checkTemplateData refuses data that could never launch.
func checkTemplateData(data *types.RequestLaunchTemplateData) error {
	if data == nil {
		return missing("LaunchTemplateData")
	}
	for _, spec := range data.TagSpecifications {
		if err := checkTags(spec.Tags); err != nil {
			return err
		}
	}
	_, err := decodeUserData(data.UserData)
	return err
}

// CreateLaunchTemplate makes a launch template with its first version.
func (s *Service) CreateLaunchTemplate(ctx context.Context, in *ec2.CreateLaunchTemplateInput) (*ec2.CreateLaunchTemplateOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	name := str(in.LaunchTemplateName)
	if name == "" {
		return nil, missing("LaunchTemplateName")
	}
	if !templateName.MatchString(name) {
		return nil, errorf("InvalidLaunchTemplateName.MalformedException", "A launch template name must be between 3 and 128 characters, and may contain letters, numbers, and the following characters: - ( ) . / _.")
	}
	if err := checkTemplateData(in.LaunchTemplateData); err != nil {
		return nil, err
	}
	if err := checkSpecs(in.TagSpecifications, types.ResourceTypeLaunchTemplate); err != nil {
		return nil, err
	}
	tags := specified(in.TagSpecifications, types.ResourceTypeLaunchTemplate)
	made := created(r, types.ResourceTypeLaunchTemplate, tags)
	made.operator = operatorName(in.Operator)
	if err := s.authorize(ctx, in.DryRun, made); err != nil {
		return nil, err
	}
	id, err := r.once(str(in.ClientToken), "CreateLaunchTemplate", in, func(tx *txn) (string, error) {
		if _, taken := r.index.templateIDs[name]; taken {
			return "", errorf("InvalidLaunchTemplateName.AlreadyExistsException", "Launch template name already in use.")
		}
		t := &templateRow{LaunchTemplate: types.LaunchTemplate{LaunchTemplateId: new(newID("lt")), LaunchTemplateName: in.LaunchTemplateName,
			CreateTime: new(s.now()), CreatedBy: new(callOf(ctx).Caller.ARN), DefaultVersionNumber: new(int64(1)), LatestVersionNumber: new(int64(0)),
			Operator: operatorFor(in.Operator), Tags: tags}}
		t.addVersion(ctx, s, in.LaunchTemplateData, in.VersionDescription)
		r.templates.put(tx, *t.LaunchTemplateId, t)
		return *t.LaunchTemplateId, nil
	})
	if err != nil {
		return nil, err
	}
	t, err := templateKind.get(r, id)
	if err != nil {
		return nil, err
	}
	return &ec2.CreateLaunchTemplateOutput{LaunchTemplate: new(t.LaunchTemplate)}, nil
}

// addVersion appends a version; the row must not be stored yet.
func (t *templateRow) addVersion(ctx context.Context, s *Service, data *types.RequestLaunchTemplateData, description *string) *types.LaunchTemplateVersion {
	stored := reshape[types.ResponseLaunchTemplateData](data)
	if data.Operator != nil {
		stored.Operator = operatorFor(data.Operator)
	}
	t.LatestVersionNumber = new(*t.LatestVersionNumber + 1)
	t.Versions = append(slices.Clone(t.Versions), types.LaunchTemplateVersion{
		LaunchTemplateId: t.LaunchTemplateId, LaunchTemplateName: t.LaunchTemplateName, VersionNumber: t.LatestVersionNumber,
		VersionDescription: description, CreateTime: new(s.now()), CreatedBy: new(callOf(ctx).Caller.ARN), LaunchTemplateData: &stored, Operator: t.Operator,
	})
	return &t.Versions[len(t.Versions)-1]
}

// onTemplate authorizes a change of a template and makes it.
func (s *Service) onTemplate(ctx context.Context, dryRun *bool, id, name *string, f func(*region, *txn, *templateRow) error) error {
	r, err := s.regionOf(ctx)
	if err != nil {
		return err
	}
	var t *templateRow
	var on target
	r.view(func() {
		if t, err = r.template(id, name); err == nil {
			on = existing(r, templateKind, *t.LaunchTemplateId).guard()
		}
	})
	if err != nil {
		return err
	}
	if err := s.authorize(ctx, dryRun, on); err != nil {
		return err
	}
	return r.update(func(tx *txn) error {
		t, err := templateKind.find(r, *t.LaunchTemplateId)
		if err != nil {
			return err
		}
		return f(r, tx, t)
	})
}

// CreateLaunchTemplateVersion adds a version, on top of a source version where one is named.
func (s *Service) CreateLaunchTemplateVersion(ctx context.Context, in *ec2.CreateLaunchTemplateVersionInput) (*ec2.CreateLaunchTemplateVersionOutput, error) {
	if err := checkTemplateData(in.LaunchTemplateData); err != nil {
		return nil, err
	}
	out := &ec2.CreateLaunchTemplateVersionOutput{}
	err := s.onTemplate(ctx, in.DryRun, in.LaunchTemplateId, in.LaunchTemplateName, func(r *region, tx *txn, t *templateRow) error {
		data := in.LaunchTemplateData
		if in.SourceVersion != nil {
			source, err := t.version(*in.SourceVersion)
			if err != nil {
				return err
			}
			data = new(overlay[types.RequestLaunchTemplateData](source.LaunchTemplateData, data))
		}
		t = with(t, func(*templateRow) {})
		made := *t.addVersion(ctx, s, data, in.VersionDescription)
		made.DefaultVersion = new(false)
		out.LaunchTemplateVersion = &made
		r.templates.put(tx, *t.LaunchTemplateId, t)
		return nil
	})
	return out, err
}

// DescribeLaunchTemplates lists templates.
func (s *Service) DescribeLaunchTemplates(ctx context.Context, in *ec2.DescribeLaunchTemplatesInput) (*ec2.DescribeLaunchTemplatesOutput, error) {
	ids := slices.Clone(in.LaunchTemplateIds)
	if len(in.LaunchTemplateNames) > 0 {
		r, err := s.regionOf(ctx)
		if err != nil {
			return nil, err
		}
		r.view(func() {
			for _, name := range in.LaunchTemplateNames {
				id, ok := r.index.templateIDs[name]
				if !ok {
					err = errorf("InvalidLaunchTemplateName.NotFoundException", "At least one of the launch templates specified in the request does not exist.")
					return
				}
				ids = append(ids, id)
			}
		})
		if err != nil {
			return nil, err
		}
	}
	_, rows, next, err := describe(ctx, s, templateKind, query{ids: ids, filters: in.Filters, managed: in.IncludeManagedResources,
		maxResults: in.MaxResults, nextToken: in.NextToken, dryRun: in.DryRun, min: 1, max: 200})
	if err != nil {
		return nil, err
	}
	out := &ec2.DescribeLaunchTemplatesOutput{NextToken: next}
	for _, t := range rows {
		out.LaunchTemplates = append(out.LaunchTemplates, t.LaunchTemplate)
	}
	return out, nil
}

// DescribeLaunchTemplateVersions lists versions of one template, or the latest or default ones of all.
func (s *Service) DescribeLaunchTemplateVersions(ctx context.Context, in *ec2.DescribeLaunchTemplateVersionsInput) (*ec2.DescribeLaunchTemplateVersionsOutput, error) {
	r, err := s.regionOf(ctx)
	if err != nil {
		return nil, err
	}
	if err := s.authorize(ctx, in.DryRun, anything); err != nil {
		return nil, err
	}
	var list []types.LaunchTemplateVersion
	r.view(func() { list, err = r.versions(in) })
	if err != nil {
		return nil, err
	}
	q := query{maxResults: in.MaxResults, nextToken: in.NextToken, min: 1, max: 200}
	list, next, err := pageOf(q, list, func(v types.LaunchTemplateVersion) string {
		return *v.LaunchTemplateId + " " + strconv.FormatInt(1e9-*v.VersionNumber, 10) // newest first
	})
	return &ec2.DescribeLaunchTemplateVersionsOutput{LaunchTemplateVersions: list, NextToken: next}, err
}

func (r *region) versions(in *ec2.DescribeLaunchTemplateVersionsInput) (list []types.LaunchTemplateVersion, err error) {
	templates := r.templates.rows
	if in.LaunchTemplateId != nil || in.LaunchTemplateName != nil {
		t, err := r.template(in.LaunchTemplateId, in.LaunchTemplateName)
		if err != nil {
			return nil, err
		}
		templates = map[string]*templateRow{"": t}
	} else if err := checkVersionsOfAll(in.Versions); err != nil {
		return nil, err
	}
	for _, t := range templates {
		wanted := t.Versions
		if len(in.Versions) > 0 {
			wanted = nil
			for _, text := range in.Versions {
				v, err := t.version(text)
				if err != nil {
					return nil, err
				}
				wanted = append(wanted, *v)
			}
		}
		for _, v := range wanted {
			if n := *v.VersionNumber; in.MinVersion != nil && n < number(*in.MinVersion) || in.MaxVersion != nil && n > number(*in.MaxVersion) {
				continue
			}
			v.DefaultVersion = new(*v.VersionNumber == *t.DefaultVersionNumber)
			list = append(list, v)
		}
	}
	return list, nil
}

// versionsOfAll is how EC2 says which versions can be asked of all templates at once.
const versionsOfAll = "To describe the launch template data for all your launch templates, for ‘--versions’ specify ‘$Latest’, ‘$Default’, or both, " +
	"and omit ‘--launch-template-id’, ‘--launch-template-name’, and version numbers. To describe the launch template data for a specific launch template, " +
	"specify ‘--launch-template-id’ or ‘--launch-template-name’, and for ‘--versions’ specify one or more of the following values: ‘$Latest’, ‘$Default’, " +
	"or one or more version numbers."

func checkVersionsOfAll(versions []string) error {
	if len(versions) == 0 {
		return errorf("MissingParameter", "%s", versionsOfAll)
	}
	for _, v := range versions {
		if v != "$Latest" && v != "$Default" {
			return invalid("%s", versionsOfAll)
		}
	}
	return nil
}

func number(text string) int64 {
	n, _ := strconv.ParseInt(text, 10, 64)
	return n
}

// ModifyLaunchTemplate changes the default version.
func (s *Service) ModifyLaunchTemplate(ctx context.Context, in *ec2.ModifyLaunchTemplateInput) (*ec2.ModifyLaunchTemplateOutput, error) {
	out := &ec2.ModifyLaunchTemplateOutput{}
	if in.LaunchTemplateId != nil && in.LaunchTemplateName != nil {
		return nil, combination("Either provide launch template ID or launch template name to modify the template.")
	}
	err := s.onTemplate(ctx, in.DryRun, in.LaunchTemplateId, in.LaunchTemplateName, func(r *region, tx *txn, t *templateRow) error {
		if in.DefaultVersion != nil {
			v, err := t.version(*in.DefaultVersion)
			if err != nil {
				return errorf("InvalidLaunchTemplateId.VersionNotFound", "The launch template version %s is not found for the specified launch template.", *in.DefaultVersion)
			}
			t = with(t, func(t *templateRow) { t.DefaultVersionNumber = v.VersionNumber })
			r.templates.put(tx, *t.LaunchTemplateId, t)
		}
		out.LaunchTemplate = new(t.LaunchTemplate)
		return nil
	})
	return out, err
}

// DeleteLaunchTemplate removes a template; instances made from it go on.
func (s *Service) DeleteLaunchTemplate(ctx context.Context, in *ec2.DeleteLaunchTemplateInput) (*ec2.DeleteLaunchTemplateOutput, error) {
	out := &ec2.DeleteLaunchTemplateOutput{}
	err := s.onTemplate(ctx, in.DryRun, in.LaunchTemplateId, in.LaunchTemplateName, func(r *region, tx *txn, t *templateRow) error {
		out.LaunchTemplate = new(t.LaunchTemplate)
		r.templates.drop(tx, *t.LaunchTemplateId)
		return nil
	})
	return out, err
}

// DeleteLaunchTemplateVersions removes versions; the default one stays.
func (s *Service) DeleteLaunchTemplateVersions(ctx context.Context, in *ec2.DeleteLaunchTemplateVersionsInput) (*ec2.DeleteLaunchTemplateVersionsOutput, error) {
	out := &ec2.DeleteLaunchTemplateVersionsOutput{}
	err := s.onTemplate(ctx, in.DryRun, in.LaunchTemplateId, in.LaunchTemplateName, func(r *region, tx *txn, t *templateRow) error {
		t = with(t, func(t *templateRow) { t.Versions = slices.Clone(t.Versions) })
		for _, text := range in.Versions {
			v, err := t.version(text)
			if err != nil || *v.VersionNumber == *t.DefaultVersionNumber {
				out.UnsuccessfullyDeletedLaunchTemplateVersions = append(out.UnsuccessfullyDeletedLaunchTemplateVersions, undeleted(t, text, err))
				continue
			}
			out.SuccessfullyDeletedLaunchTemplateVersions = append(out.SuccessfullyDeletedLaunchTemplateVersions,
				types.DeleteLaunchTemplateVersionsResponseSuccessItem{LaunchTemplateId: t.LaunchTemplateId, LaunchTemplateName: t.LaunchTemplateName, VersionNumber: v.VersionNumber})
			gone := *v.VersionNumber
			t.Versions = without(t.Versions, func(o types.LaunchTemplateVersion) bool { return *o.VersionNumber == gone })
		}
		r.templates.put(tx, *t.LaunchTemplateId, t)
		return nil
	})
	return out, err
}

func undeleted(t *templateRow, text string, err error) types.DeleteLaunchTemplateVersionsResponseErrorItem {
	code, message := types.LaunchTemplateErrorCodeUnexpectedError, "Could not delete the default version."
	if err != nil {
		code, message = types.LaunchTemplateErrorCodeLaunchTemplateVersionDoesNotExist, "Could not find the specified version."
	}
	return types.DeleteLaunchTemplateVersionsResponseErrorItem{LaunchTemplateId: t.LaunchTemplateId, LaunchTemplateName: t.LaunchTemplateName,
		VersionNumber: new(number(text)), ResponseError: &types.ResponseError{Code: code, Message: new(message)}}
}
