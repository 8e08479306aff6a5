package access

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestAgainstSimulator compares the evaluator with an independent one on generated policies and requests. It needs node
// and a directory in which npm installed @cloud-copilot/iam-simulate, named by AUTOMODE_IAM_SIMULATE.
func TestAgainstSimulator(t *testing.T) {
	dir := os.Getenv("AUTOMODE_IAM_SIMULATE")
	if dir == "" {
		t.Skip("AUTOMODE_IAM_SIMULATE names no directory with @cloud-copilot/iam-simulate")
	}
	g := &generator{rand.New(rand.NewPCG(1, 2))}
	var input bytes.Buffer
	var cases []simulated
	for range 4000 {
		c := g.simulation()
		cases = append(cases, c)
		line, err := json.Marshal(c.document())
		if err != nil {
			t.Fatal(err)
		}
		input.Write(append(line, '\n'))
	}
	cmd := exec.Command("node", "testdata/simulate.mjs", dir)
	cmd.Stdin, cmd.Stderr = &input, os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("running the simulator: %v", err)
	}
	answers := bufio.NewScanner(bytes.NewReader(out))
	counts := map[string]int{}
	for i, c := range cases {
		if !answers.Scan() {
			t.Fatalf("the simulator answered %d of %d", i, len(cases))
		}
		want, got := answers.Text(), c.evaluate(t)
		counts[want]++
		if want != got {
			text, _ := json.MarshalIndent(c.document(), "", " ")
			t.Fatalf("case %d: simulator says %s, we say %s\n%s", i, want, got, text)
		}
	}
	t.Log(counts)
}

type simulated struct {
	action, resource           string
	identity                   string
	boundary, resourceDocument string // "" for none
	context                    map[string]any
}

const simulatedUser = "arn:aws:iam::111122223333:user/u1"

func (c *simulated) document() map[string]any {
	everything := json.RawMessage(`{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"*","Resource":"*"}]}`)
	doc := map[string]any{
		"request": map[string]any{
			"principal": simulatedUser, "action": c.action, "resource": map[string]string{"resource": c.resource, "accountId": "111122223333"}, "contextVariables": c.context,
		},
		"identityPolicies":        []any{map[string]any{"name": "i", "policy": json.RawMessage(c.identity)}},
		"serviceControlPolicies":  []any{map[string]any{"orgIdentifier": "r", "policies": []any{map[string]any{"name": "all", "policy": everything}}}},
		"resourceControlPolicies": []any{},
	}
	if c.boundary != "" {
		doc["permissionBoundaryPolicies"] = []any{map[string]any{"name": "b", "policy": json.RawMessage(c.boundary)}}
	}
	if c.resourceDocument != "" {
		doc["resourcePolicy"] = json.RawMessage(c.resourceDocument)
	}
	return doc
}

func (c *simulated) evaluate(t *testing.T) string {
	caller := &Caller{Type: TypeUser, ARN: simulatedUser, PrincipalARN: simulatedUser, Account: "111122223333", UserName: "u1", Identity: []*Policy{mustParse(t, c.identity)}}
	if c.boundary != "" {
		caller.Boundary = mustParse(t, c.boundary)
	}
	r := Request{Action: c.action, Resource: c.resource, Context: map[string][]string{}}
	if c.resourceDocument != "" {
		r.ResourcePolicy = mustParse(t, c.resourceDocument)
	}
	for k, v := range c.context {
		switch x := v.(type) {
		case string:
			r.Context[k] = []string{x}
		case []string:
			r.Context[k] = x
		}
	}
	switch d := Evaluate(caller, nil, r); {
	case d.Allowed:
		return "Allowed"
	case d.Explicit:
		return "ExplicitlyDenied"
	}
	return "ImplicitlyDenied"
}

func mustParse(t *testing.T, document string) *Policy {
	p, err := Parse(document)
	if err != nil {
		t.Fatalf("%v in %s", err, document)
	}
	return p
}

// generator makes policies out of small pools, so that they often nearly match.
type generator struct{ r *rand.Rand }

func pick[T any](g *generator, pool ...T) T { return pool[g.r.IntN(len(pool))] }

func (g *generator) simulation() simulated {
	c := simulated{
		action:   pick(g, "ec2:StopInstances", "ec2:StartInstances", "ec2:RebootInstances"),
		resource: "arn:aws:ec2:us-east-1:111122223333:instance/" + pick(g, "q1", "q2", "u1", "long-name"),
		identity: g.policy(false), context: g.context(),
	}
	if g.r.IntN(3) == 0 {
		c.boundary = g.policy(false)
	}
	if g.r.IntN(3) == 0 {
		c.resourceDocument = g.policy(true)
	}
	return c
}

func (g *generator) context() map[string]any {
	all := map[string]any{
		"aws:username": "u1", "aws:PrincipalTag/team": pick(g, "red", "blue", "Red"), "aws:SourceIp": pick(g, "10.1.2.3", "192.0.2.7"),
		"aws:SecureTransport": pick(g, "true", "false"), "aws:CurrentTime": pick(g, "2026-05-01T00:00:00Z", "2024-05-01T00:00:00Z"),
		"aws:MultiFactorAuthAge": pick(g, "5", "100"), "aws:TagKeys": pick(g, []string{"a"}, []string{"a", "b"}, []string{"c"}, []string{"b", "c"}),
		"aws:SourceArn": pick(g, "arn:aws:sns:us-east-1:111122223333:t1", "arn:aws:sns:eu-west-1:111122223333:other"), "aws:UserAgent": pick(g, "cli/1", "console"),
	}
	for k := range all {
		if k != "aws:username" && g.r.IntN(4) == 0 {
			delete(all, k)
		}
	}
	return all
}

func (g *generator) policy(onResource bool) string {
	var statements []string
	for range 1 + g.r.IntN(3) {
		statements = append(statements, g.statement(onResource))
	}
	return `{"Version":"2012-10-17","Statement":[` + strings.Join(statements, ",") + `]}`
}

func (g *generator) statement(onResource bool) string {
	parts := []string{
		`"Effect":"` + pick(g, "Allow", "Allow", "Allow", "Deny") + `"`,
		`"` + pick(g, "Action", "Action", "Action", "NotAction") + `":` + pick(g, `"ec2:*"`, `"ec2:StopInstances"`, `"EC2:stop*"`, `["ec2:Reboot*","ec2:StartInstances"]`, `"*"`, `"ec2:?????????????"`),
		`"` + pick(g, "Resource", "Resource", "Resource", "NotResource") + `":` + pick(g, `"*"`, `"arn:aws:ec2:us-east-1:111122223333:instance/q1"`, `"arn:aws:ec2:*:*:instance/q?"`, `"arn:aws:ec2:*:111122223333:instance/${aws:username}"`, `["arn:aws:ec2:eu-*:*:*","arn:aws:ec2:us-*:*:instance/long*"]`),
	}
	if onResource {
		parts = append(parts, `"Principal":`+pick(g, `"*"`, `{"AWS":"111122223333"}`, `{"AWS":"`+simulatedUser+`"}`, `{"AWS":"arn:aws:iam::111122223333:user/other"}`))
	}
	if n := g.r.IntN(3); n > 0 {
		conditions := map[string]string{}
		for range n {
			op, body := g.condition()
			conditions[op] = body
		}
		var list []string
		for op, body := range conditions {
			list = append(list, fmt.Sprintf("%q:%s", op, body))
		}
		parts = append(parts, `"Condition":{`+strings.Join(list, ",")+`}`)
	}
	return "{" + strings.Join(parts, ",") + "}"
}

func (g *generator) condition() (op, body string) {
	exists := pick(g, "", "", "IfExists")
	switch g.r.IntN(8) {
	case 0:
		return pick(g, "StringEquals", "StringNotEquals", "StringEqualsIgnoreCase", "StringNotEqualsIgnoreCase", "StringLike", "StringNotLike") + exists,
			`{"aws:PrincipalTag/team":` + pick(g, `"red"`, `["blue","Red"]`, `"r*"`, `"?ed"`) + `}`
	case 1: // without IfExists, of which AWS does not say what it means together with ForAnyValue
		return pick(g, "ForAllValues:", "ForAnyValue:") + pick(g, "StringEquals", "StringNotEquals", "StringLike", "StringNotLike"),
			`{"aws:TagKeys":` + pick(g, `"a"`, `["a","b"]`, `["?"]`, `["c","d"]`) + `}`
	case 2:
		return pick(g, "IpAddress", "NotIpAddress") + exists, `{"aws:SourceIp":` + pick(g, `"10.0.0.0/8"`, `["192.0.2.7/32","172.16.0.0/12"]`) + `}`
	case 3:
		return "Bool" + exists, `{"aws:SecureTransport":` + pick(g, `"true"`, `"false"`) + `}`
	case 4:
		return pick(g, "DateGreaterThan", "DateLessThan", "DateEquals", "DateNotEquals", "DateLessThanEquals", "DateGreaterThanEquals") + exists, `{"aws:CurrentTime":"` + pick(g, "2025-01-01T00:00:00Z", "2026-05-01T00:00:00Z") + `"}`
	case 5:
		return pick(g, "NumericLessThan", "NumericGreaterThan", "NumericEquals", "NumericNotEquals", "NumericLessThanEquals", "NumericGreaterThanEquals") + exists, `{"aws:MultiFactorAuthAge":"` + pick(g, "5", "50", "100") + `"}`
	case 6:
		return pick(g, "ArnLike", "ArnEquals", "ArnNotLike", "ArnNotEquals") + exists, `{"aws:SourceArn":` + pick(g, `"arn:aws:sns:*:111122223333:t?"`, `"arn:aws:sns:us-east-1:111122223333:t1"`, `["arn:aws:sns:eu-*:*:*"]`) + `}`
	}
	return "Null", `{"` + pick(g, "aws:UserAgent", "aws:TagKeys") + `":"` + pick(g, "true", "false") + `"}`
}
