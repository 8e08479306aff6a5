package wire

import (
	"context"
	"fmt"
	"reflect"
	"slices"

	"github.com/automode-dev/automode/localcloud/wire/models"
)

// Service is one AWS API and the operations that are offered of it.
type Service struct {
	Name  string
	model *models.Service
	ops   map[string]*operation
	rest  []*route // for restJson, most specific first
}

// operation is a registered handler with the compiled plans of its input and output.
type operation struct {
	name  string
	model *models.Operation
	in    *plan
	out   *plan
	input reflect.Type
	call  func(ctx context.Context, in any) (any, error)
}

// NewService returns the named service ("ec2", "iam", …) without operations. It panics when no model of that
// name is embedded, which is a mistake in the program.
func NewService(name string) *Service {
	m, err := models.Load(name)
	if err != nil {
		panic(err)
	}
	return &Service{Name: name, model: m, ops: map[string]*operation{}}
}

// Handle registers h for the operation. It panics when the model lacks the operation: append its name to
// localcloud/wire/models/<service>.ops and run go run ./hack/wiremodel.
//
// h gets a decoded input whose required members are there. A nil output with a nil error is an empty result.
func Handle[In, Out any](s *Service, name string, h func(context.Context, *In) (*Out, error)) {
	m, ok := s.model.Operations[name]
	if !ok {
		panic(fmt.Sprintf("registering %s of %s: not in the model; add it to localcloud/wire/models/%s.ops and run go run ./hack/wiremodel", name, s.Name, s.Name))
	}
	op := &operation{name: name, model: m, input: reflect.TypeFor[In]()}
	c := compilerFor(s.model)
	op.in = c.compile(m.In, reflect.TypeFor[In](), "")
	op.out = c.compile(m.Out, reflect.TypeFor[Out](), "")
	op.call = func(ctx context.Context, in any) (any, error) {
		out, err := h(ctx, in.(*In))
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = new(Out)
		}
		return out, nil
	}
	s.ops[name] = op
	if s.model.Protocol == "rest-json" {
		s.rest = append(s.rest, newRoute(op))
		slices.SortStableFunc(s.rest, func(a, b *route) int { return b.literals - a.literals })
	}
}

// Operations returns the names of the registered operations, sorted.
func (s *Service) Operations() []string {
	names := make([]string, 0, len(s.ops))
	for name := range s.ops {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}

// Modelled says whether the AWS API has the operation, offered or not, as far as the pruned model tells.
func (s *Service) Modelled(name string) bool { return s.model.Operations[name] != nil }
