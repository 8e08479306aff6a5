package iam

import (
	"context"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// CreateOpenIDConnectProvider makes a provider; its URL is not visited, thumbprints are stored.
func (s *Service) CreateOpenIDConnectProvider(ctx context.Context, in *iam.CreateOpenIDConnectProviderInput) (*iam.CreateOpenIDConnectProviderOutput, error) {
	host, ok := strings.CutPrefix(*in.Url, "https://")
	if !ok {
		return nil, wire.Errorf("ValidationError", "Invalid Open ID Connect Provider URL")
	}
	host = strings.TrimSuffix(host, "/")
	tags, err := newTags(nil, in.Tags)
	if err != nil {
		return nil, err
	}
	p := &Provider{Entity: s.newEntity("oidc-provider", "", host, nil, tags), URL: host, Clients: in.ClientIDList, Thumbprints: in.ThumbprintList}
	err = create(ctx, s, providers, p, "CreateOpenIDConnectProvider", "Provider with url https://%s already exists.", requestTags(in.Tags), func(*store.Tx) error { return nil })
	return &iam.CreateOpenIDConnectProviderOutput{OpenIDConnectProviderArn: &p.ARN, Tags: sdkTags(tags)}, err
}

// GetOpenIDConnectProvider returns a provider.
func (s *Service) GetOpenIDConnectProvider(ctx context.Context, in *iam.GetOpenIDConnectProviderInput) (out *iam.GetOpenIDConnectProviderOutput, err error) {
	err = read(ctx, s, providers, *in.OpenIDConnectProviderArn, "GetOpenIDConnectProvider", func(_ *store.Tx, p *Provider) error {
		out = &iam.GetOpenIDConnectProviderOutput{ClientIDList: p.Clients, CreateDate: &p.Created, Tags: sdkTags(p.Tags), ThumbprintList: p.Thumbprints, Url: &p.URL}
		return nil
	})
	return out, err
}

// ListOpenIDConnectProviders lists the ARNs of all providers.
func (s *Service) ListOpenIDConnectProviders(ctx context.Context, _ *iam.ListOpenIDConnectProvidersInput) (out *iam.ListOpenIDConnectProvidersOutput, err error) {
	out = &iam.ListOpenIDConnectProvidersOutput{}
	err = list(ctx, s, providers, "ListOpenIDConnectProviders", s.arn("oidc-provider", "/", ""), func(all []Provider) error {
		out.OpenIDConnectProviderList = convert(all, func(p Provider) types.OpenIDConnectProviderListEntry {
			return types.OpenIDConnectProviderListEntry{Arn: &p.ARN}
		})
		return nil
	})
	return out, err
}

// DeleteOpenIDConnectProvider removes a provider; roles that trust it stay.
func (s *Service) DeleteOpenIDConnectProvider(ctx context.Context, in *iam.DeleteOpenIDConnectProviderInput) (*iam.DeleteOpenIDConnectProviderOutput, error) {
	return nil, s.db.Update(func(tx *store.Tx) error {
		p, err := load(ctx, tx, s, providers, *in.OpenIDConnectProviderArn, "DeleteOpenIDConnectProvider", nil)
		if err != nil {
			return err
		}
		return providers.delete(tx, p.ARN)
	})
}

// AddClientIDToOpenIDConnectProvider adds an audience.
func (s *Service) AddClientIDToOpenIDConnectProvider(ctx context.Context, in *iam.AddClientIDToOpenIDConnectProviderInput) (*iam.AddClientIDToOpenIDConnectProviderOutput, error) {
	return nil, change(ctx, s, providers, *in.OpenIDConnectProviderArn, "AddClientIDToOpenIDConnectProvider", nil, func(_ *store.Tx, p *Provider) error {
		if !slices.Contains(p.Clients, *in.ClientID) {
			p.Clients = append(p.Clients, *in.ClientID)
		}
		return nil
	})
}

// RemoveClientIDFromOpenIDConnectProvider removes an audience.
func (s *Service) RemoveClientIDFromOpenIDConnectProvider(ctx context.Context, in *iam.RemoveClientIDFromOpenIDConnectProviderInput) (*iam.RemoveClientIDFromOpenIDConnectProviderOutput, error) {
	return nil, change(ctx, s, providers, *in.OpenIDConnectProviderArn, "RemoveClientIDFromOpenIDConnectProvider", nil, func(_ *store.Tx, p *Provider) error {
		p.Clients = slices.DeleteFunc(p.Clients, func(c string) bool { return c == *in.ClientID })
		return nil
	})
}

// UpdateOpenIDConnectProviderThumbprint replaces the thumbprints.
func (s *Service) UpdateOpenIDConnectProviderThumbprint(ctx context.Context, in *iam.UpdateOpenIDConnectProviderThumbprintInput) (*iam.UpdateOpenIDConnectProviderThumbprintOutput, error) {
	return nil, change(ctx, s, providers, *in.OpenIDConnectProviderArn, "UpdateOpenIDConnectProviderThumbprint", nil, func(_ *store.Tx, p *Provider) error {
		p.Thumbprints = in.ThumbprintList
		return nil
	})
}

// FindProvider returns the provider with a URL, with or without https://.
func (s *Service) FindProvider(url string) (provider Provider, err error) {
	arn := s.arn("oidc-provider", "/", strings.TrimSuffix(strings.TrimPrefix(url, "https://"), "/"))
	err = s.db.View(func(tx *store.Tx) error {
		p, err := providers.get(tx, arn)
		if err == nil {
			provider = *p
		}
		return err
	})
	return provider, err
}
