package access

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the answers in testdata")

// TestScenarios replays testdata/*.txt. A scenario is a series of commands:
//
//	policy NAME        the JSON document follows up to an empty line
//	caller key=value…  type, arn, principal, user, account, tag:K, identity, boundary, session (policy names, by comma)
//	ask ACTION RESOURCE key=value…   context keys (values by comma) and resource-policy=NAME, trust-policy=NAME
//
// After each ask stands its answer, "-> …".
func TestScenarios(t *testing.T) {
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no scenarios", err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".txt"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := replay(t, string(text))
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			} else if d := cmp.Diff(string(text), got); d != "" {
				t.Errorf("-want +got:\n%s", d)
			}
		})
	}
}

type scenario struct {
	policies map[string]*Policy
	caller   *Caller
}

func replay(t *testing.T, text string) string {
	s := &scenario{policies: map[string]*Policy{}}
	var out []string
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		if strings.HasPrefix(line, "->") {
			continue
		}
		out = append(out, line)
		words := strings.Fields(line)
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case words[0] == "policy":
			start := i + 1
			for i+1 < len(lines) && lines[i+1] != "" && !strings.HasPrefix(lines[i+1], "->") {
				i++
				out = append(out, lines[i])
			}
			p, err := Parse(strings.Join(lines[start:i+1], "\n"))
			if err != nil {
				out = append(out, "-> "+err.Error())
			}
			s.policies[words[1]] = p
		case words[0] == "caller":
			s.setCaller(t, words[1:])
		case words[0] == "ask":
			out = append(out, "-> "+s.ask(t, words[1:]))
		default:
			t.Fatalf("unknown command %q", line)
		}
	}
	return strings.Join(out, "\n")
}

func (s *scenario) setCaller(t *testing.T, args []string) {
	c := &Caller{Type: TypeUser, ARN: "arn:aws:iam::111122223333:user/u", Account: "111122223333", PrincipalTags: map[string]string{}}
	for _, arg := range args {
		k, v, _ := strings.Cut(arg, "=")
		switch {
		case k == "type":
			c.Type = v
		case k == "arn":
			c.ARN = v
		case k == "principal":
			c.PrincipalARN = v
		case k == "user":
			c.UserName = v
		case k == "account":
			c.Account = v
		case k == "identity":
			c.Identity = s.named(t, v)
		case k == "boundary":
			c.Boundary = s.named(t, v)[0]
		case k == "session":
			c.Session = s.named(t, v)
		case strings.HasPrefix(k, "tag:"):
			c.PrincipalTags[k[4:]] = v
		default:
			t.Fatalf("unknown property %q of a caller", arg)
		}
	}
	if c.PrincipalARN == "" {
		c.PrincipalARN = c.ARN
	}
	s.caller = c
}

func (s *scenario) named(t *testing.T, names string) []*Policy {
	var list []*Policy
	for name := range strings.SplitSeq(names, ",") {
		if s.policies[name] == nil {
			t.Fatalf("no policy %q", name)
		}
		list = append(list, s.policies[name])
	}
	return list
}

func (s *scenario) ask(t *testing.T, args []string) string {
	r := Request{Action: args[0], Resource: args[1], Context: map[string][]string{}}
	for _, arg := range args[2:] {
		k, v, _ := strings.Cut(arg, "=")
		switch k {
		case "resource-policy":
			r.ResourcePolicy = s.named(t, v)[0]
		case "trust-policy":
			r.ResourcePolicy, r.NeedsResourcePolicy = s.named(t, v)[0], true
		default:
			r.Context[k] = strings.Split(v, ",")
		}
	}
	d := Evaluate(s.caller, nil, r)
	if d.Allowed {
		return "allowed"
	}
	return (&DeniedError{Caller: s.caller, Request: r, Decision: d}).Error()
}
