package vpc

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"

	"github.com/automode-dev/automode/internal/home"
)

// A host may drop what it forwards unless a rule accepts it: Docker and ufw set up such a chain. An accept in a table of
// our own does not count there, so the packets of VPCs get two rules at the top of every such chain. They are known by the
// devices they name, which carry the id of the home.

// baseChain is a chain of the host that sees forwarded packets.
type baseChain struct {
	Family string `json:"family"`
	Table  string `json:"table"`
	Name   string `json:"name"`
	Hook   string `json:"hook"`
	Policy string `json:"policy"`
}

func (c baseChain) String() string { return c.Family + " " + c.Table + " " + c.Name }

// admit lets the home's VPCs through the host's forwarding chains that drop by default.
func admit(ctx context.Context, h home.Dir) error {
	chains, err := forwardChains(ctx)
	if err != nil {
		return fmt.Errorf("looking for a firewall on the host: %w", err)
	}
	devices := hostPrefix(h) + "*"
	for _, c := range chains {
		if c.Policy != "drop" {
			continue
		}
		handles, err := rulesNaming(ctx, c, devices)
		if err != nil || len(handles) > 0 {
			continue // the chain went meanwhile, or lets us through already
		}
		rules := fmt.Sprintf("insert rule %s oifname %q ct state established,related accept\ninsert rule %[1]s iifname %[2]q accept\n", c, devices)
		if err := loadRules(ctx, "", rules); err != nil {
			return fmt.Errorf("admitting VPCs to the host's chain %s: %w", c, err)
		}
	}
	return nil
}

// unadmit takes the rules of admit back.
func unadmit(ctx context.Context, h home.Dir) error {
	chains, err := forwardChains(ctx)
	if err != nil {
		return fmt.Errorf("looking for a firewall on the host: %w", err)
	}
	var rules strings.Builder
	for _, c := range chains {
		if c.Table == hostTable(h) {
			continue
		}
		handles, err := rulesNaming(ctx, c, hostPrefix(h)+"*")
		if err != nil {
			continue // the chain went meanwhile
		}
		for _, handle := range handles {
			fmt.Fprintf(&rules, "delete rule %s handle %s\n", c, handle)
		}
	}
	if rules.Len() == 0 {
		return nil
	}
	return loadRules(ctx, "", rules.String())
}

// forwardChains lists the IPv4 chains that see forwarded packets.
func forwardChains(ctx context.Context) ([]baseChain, error) {
	out, err := nft(ctx, "-j", "list", "chains")
	if err != nil {
		return nil, err
	}
	var listing struct {
		Nftables []struct {
			Chain *baseChain `json:"chain"`
		} `json:"nftables"`
	}
	if err := json.Unmarshal(out, &listing); err != nil {
		return nil, fmt.Errorf("parsing the list of chains: %w", err)
	}
	var found []baseChain
	for _, item := range listing.Nftables {
		if c := item.Chain; c != nil && c.Hook == "forward" && (c.Family == "ip" || c.Family == "inet") {
			found = append(found, *c)
		}
	}
	return found, nil
}

// rulesNaming lists the handles of a chain's rules that name the devices.
func rulesNaming(ctx context.Context, c baseChain, devices string) ([]string, error) {
	out, err := nft(ctx, "-a", "list", "chain", c.Family, c.Table, c.Name)
	if err != nil {
		return nil, err
	}
	var handles []string
	for line := range strings.Lines(string(out)) {
		if _, handle, ok := strings.Cut(strings.TrimSpace(line), "# handle "); ok && strings.Contains(line, devices) {
			handles = append(handles, handle)
		}
	}
	return handles, nil
}

// nft runs the nft command on the host and returns its output.
func nft(ctx context.Context, args ...string) ([]byte, error) {
	cmd := exec.CommandContext(ctx, "nft", args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("running nft %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(stderr.String()))
	}
	return out, nil
}
