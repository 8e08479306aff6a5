package main

import (
	"slices"
	"strings"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// source is the part of botocore's service-2.json that the wire protocols need.
type source struct {
	Metadata struct {
		APIVersion     string `json:"apiVersion"`
		Protocol       string `json:"protocol"`
		XMLNamespace   string `json:"xmlNamespace"`
		TargetPrefix   string `json:"targetPrefix"`
		JSONVersion    string `json:"jsonVersion"`
		SigningName    string `json:"signingName"`
		EndpointPrefix string `json:"endpointPrefix"`
	} `json:"metadata"`
	Operations map[string]struct {
		HTTP struct {
			Method string `json:"method"`
			URI    string `json:"requestUri"`
			Status int    `json:"responseCode"`
		} `json:"http"`
		Input  struct{ Shape string } `json:"input"`
		Output struct {
			Shape   string `json:"shape"`
			Wrapper string `json:"resultWrapper"`
		} `json:"output"`
		Errors []struct{ Shape string } `json:"errors"`
	} `json:"operations"`
	Shapes map[string]*sourceShape `json:"shapes"`
}

type sourceShape struct {
	Type      string         `json:"type"`
	Required  []string       `json:"required"`
	Members   orderedMembers `json:"members"`
	Member    *sourceMember  `json:"member"`
	Key       *sourceMember  `json:"key"`
	Value     *sourceMember  `json:"value"`
	Flattened bool           `json:"flattened"`
	Min       *float64       `json:"min"`
	Max       *float64       `json:"max"`
	Pattern   string         `json:"pattern"`
	Format    string         `json:"timestampFormat"`
	Exception bool           `json:"exception"`
	Error     struct {
		Code   string `json:"code"`
		Status int    `json:"httpStatusCode"`
	} `json:"error"`
}

type sourceMember struct {
	Shape     string `json:"shape"`
	Location  string `json:"location"`
	Wire      string `json:"locationName"`
	Query     string `json:"queryName"`
	Token     bool   `json:"idempotencyToken"`
	Format    string `json:"timestampFormat"`
	Flattened bool   `json:"flattened"`
}

// prune copies the named operations and every shape they reach.
func prune(full *source, name string, ops []string) *models.Service {
	md := full.Metadata
	p := &pruner{full: full, out: &models.Service{
		Name: name, Protocol: md.Protocol, Version: md.APIVersion, Namespace: md.XMLNamespace,
		Target: md.TargetPrefix, JSONVersion: md.JSONVersion, Signing: md.SigningName,
		Operations: map[string]*models.Operation{}, Shapes: map[string]*models.Shape{},
	}}
	if p.out.Signing == "" {
		p.out.Signing = md.EndpointPrefix
	}
	if md.Protocol != "json" {
		p.out.JSONVersion = ""
	}
	for _, line := range ops {
		op, _, _ := strings.Cut(line, " ")
		src, ok := full.Operations[op]
		if !ok {
			continue // addNewer looks for it in the SDK
		}
		o := &models.Operation{In: src.Input.Shape, Out: src.Output.Shape}
		if src.Output.Wrapper != "" && src.Output.Wrapper != op+"Result" {
			o.Wrapper = src.Output.Wrapper
		}
		if md.Protocol == "rest-json" {
			o.Method, o.URI, o.Status = src.HTTP.Method, src.HTTP.URI, src.HTTP.Status
			if o.Status == 200 {
				o.Status = 0
			}
		}
		for _, e := range src.Errors {
			o.Errors = append(o.Errors, e.Shape)
			p.shape(e.Shape)
		}
		p.shape(o.In)
		p.shape(o.Out)
		p.out.Operations[op] = o
	}
	return p.out
}

type pruner struct {
	full *source
	out  *models.Service
}

// shape copies one shape and returns the name to refer to it by: plain primitives are named by their type.
func (p *pruner) shape(name string) string {
	src, ok := p.full.Shapes[name]
	if !ok || p.out.Shapes[name] != nil {
		return name
	}
	sh := &models.Shape{Type: src.Type, Flattened: src.Flattened, Format: src.Format}
	if p.constrained(src) {
		sh.Min, sh.Max, sh.Pattern = src.Min, src.Max, src.Pattern
	}
	switch src.Type {
	case "structure", "list", "map":
	default:
		if sh.Min == nil && sh.Max == nil && sh.Pattern == "" && sh.Format == "" {
			return src.Type
		}
	}
	p.out.Shapes[name] = sh
	if src.Exception {
		sh.Code, sh.Status = src.Error.Code, src.Error.Status
	}
	for _, m := range src.Members {
		member := p.member(&m.sourceMember)
		member.Name = m.name
		member.Required = slices.Contains(src.Required, m.name)
		if member.Wire == member.Name {
			member.Wire = ""
		}
		sh.Members = append(sh.Members, member)
	}
	sh.Elem, sh.Key = p.member(src.Member), p.member(src.Key)
	if src.Value != nil {
		sh.Elem = p.member(src.Value)
	}
	return name
}

func (p *pruner) member(src *sourceMember) *models.Member {
	if src == nil {
		return nil
	}
	return &models.Member{
		Shape: p.shape(src.Shape), Wire: src.Wire, Query: src.Query, Location: src.Location,
		Token: src.Token, Format: src.Format,
	}
}

// constrained says whether the codec checks a shape's limits: EC2 checks only numbers at this level.
func (p *pruner) constrained(src *sourceShape) bool {
	if p.full.Metadata.Protocol == "ec2" {
		return src.Type == "integer"
	}
	return !src.Exception
}
