// Package ssm is the parameter store of the local cloud: the account's own parameters, and the public ones that name
// machine images. Other parts of Systems Manager are not offered.
package ssm

import (
	"context"
	"strings"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Service is the parameter store of one account in all regions.
type Service struct {
	db      *store.DB
	account string
	clock   clock.PassiveClock
	wire    *wire.Service
	public  func(region string) map[string]string
}

// New returns the service. public returns the public parameters of a region: name to value.
func New(db *store.DB, account string, clock clock.PassiveClock, public func(region string) map[string]string) *Service {
	s := &Service{db: db, account: account, clock: clock, wire: wire.NewService("ssm"), public: public}
	wire.Handle(s.wire, "AddTagsToResource", s.AddTagsToResource)
	wire.Handle(s.wire, "DeleteParameter", s.DeleteParameter)
	wire.Handle(s.wire, "DeleteParameters", s.DeleteParameters)
	wire.Handle(s.wire, "DescribeParameters", s.DescribeParameters)
	wire.Handle(s.wire, "GetParameter", s.GetParameter)
	wire.Handle(s.wire, "GetParameterHistory", s.GetParameterHistory)
	wire.Handle(s.wire, "GetParameters", s.GetParameters)
	wire.Handle(s.wire, "GetParametersByPath", s.GetParametersByPath)
	wire.Handle(s.wire, "LabelParameterVersion", s.LabelParameterVersion)
	wire.Handle(s.wire, "ListTagsForResource", s.ListTagsForResource)
	wire.Handle(s.wire, "PutParameter", s.PutParameter)
	wire.Handle(s.wire, "RemoveTagsFromResource", s.RemoveTagsFromResource)
	wire.Handle(s.wire, "UnlabelParameterVersion", s.UnlabelParameterVersion)
	return s
}

// Wire returns the operations for mounting.
func (s *Service) Wire() *wire.Service { return s.wire }

const bucket = "ssm.parameters"

// arn of a parameter: a leading slash of the name is not doubled. Public parameters belong to no account.
func (s *Service) arn(region, name string) string {
	account := s.account
	if strings.HasPrefix(name, publicPrefix) {
		account = ""
	}
	return "arn:aws:ssm:" + region + ":" + account + ":parameter/" + strings.TrimPrefix(name, "/")
}

func (s *Service) authorize(ctx context.Context, operation, name string, p *parameter) error {
	keys := map[string][]string{}
	if p != nil {
		for k, v := range p.Tags {
			keys["aws:ResourceTag/"+k] = []string{v}
			keys["ssm:resourceTag/"+k] = []string{v}
		}
	}
	resource := "*"
	if name != "" {
		resource = s.arn(wire.CallFrom(ctx).Region, name)
	}
	return access.Authorize(ctx, access.Request{Action: "ssm:" + operation, Resource: resource, Context: keys})
}
