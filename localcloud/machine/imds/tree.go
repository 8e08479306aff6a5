package imds

import (
	"cmp"
	"encoding/json"
	"fmt"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Tree maps the path of every item, below the version, to its text: "meta-data/instance-id" -> "i-1".
type Tree map[string]string

// Render lays an instance's facts out as the metadata service does. Items without a value are left out, as there.
func Render(d Document) Tree {
	t := Tree{}
	t.identity(d)
	t.placement(d)
	t.network(d)
	t.iam(d)
	t.events(d)
	for name, device := range d.Volumes {
		t.add("meta-data/block-device-mapping/"+name, device)
	}
	if d.TagsInMetadata {
		for k, v := range d.Tags {
			t["meta-data/tags/instance/"+k] = v
		}
	}
	if len(d.UserData) > 0 {
		t["user-data"] = string(d.UserData)
	}
	t["dynamic/instance-identity/document"] = identityDocument(d)
	return t
}

// add puts an item unless it has no value.
func (t Tree) add(path, value string) {
	if value != "" {
		t[path] = value
	}
}

func (t Tree) identity(d Document) {
	const m = "meta-data/"
	t.add(m+"ami-id", d.ImageID)
	t.add(m+"ami-launch-index", strconv.Itoa(d.AMILaunchIndex))
	t.add(m+"ami-manifest-path", "(unknown)")
	t.add(m+"hostname", d.PrivateDNSName)
	t.add(m+"instance-action", "none")
	t.add(m+"instance-id", d.InstanceID)
	t.add(m+"instance-life-cycle", d.LifeCycle)
	t.add(m+"instance-type", d.InstanceType)
	t.add(m+"local-hostname", d.PrivateDNSName)
	t.add(m+"profile", "default-hvm")
	t.add(m+"public-hostname", d.PublicDNSName)
	t.add(m+"public-ipv4", d.PublicIPv4)
	t.add(m+"reservation-id", d.ReservationID)
	t.add(m+"security-groups", strings.Join(d.SecurityGroups, "\n"))
	t.add(m+"services/domain", "amazonaws.com")
	t.add(m+"services/partition", cmp.Or(d.Partition, "aws"))
	t.add(m+"system", "nitro")
	t.add(m+"autoscaling/target-lifecycle-state", d.TargetLifecycle)
	if d.KeyName != "" {
		t.add(m+"public-keys/0/openssh-key", d.PublicKey)
	}
}

func (t Tree) placement(d Document) {
	const p = "meta-data/placement/"
	t.add(p+"availability-zone", d.Zone)
	t.add(p+"availability-zone-id", d.ZoneID)
	t.add(p+"region", d.Region)
}

func (t Tree) network(d Document) {
	const m = "meta-data/"
	for _, i := range d.Interfaces {
		if i.DeviceIndex == 0 && i.NetworkCard == 0 {
			t.add(m+"mac", i.MAC)
			t.add(m+"local-ipv4", first(i.Addresses))
		}
		t.networkInterface(m+"network/interfaces/macs/"+i.MAC+"/", i)
	}
}

func (t Tree) networkInterface(base string, i Interface) {
	t.add(base+"device-number", strconv.Itoa(i.DeviceIndex))
	t.add(base+"interface-id", i.ID)
	t.add(base+"ipv4-prefix", lines(i.Prefixes))
	t.add(base+"ipv6-prefix", lines(i.IPv6Prefixes))
	t.add(base+"ipv6s", lines(i.IPv6))
	t.add(base+"local-hostname", i.PrivateDNSName)
	t.add(base+"local-ipv4s", lines(i.Addresses))
	t.add(base+"mac", i.MAC)
	t.add(base+"network-card", strconv.Itoa(i.NetworkCard))
	t.add(base+"owner-id", i.OwnerID)
	t.add(base+"public-ipv4s", i.PublicIPv4)
	if i.PublicIPv4 != "" {
		t.add(base+"ipv4-associations/"+i.PublicIPv4, first(i.Addresses))
	}
	t.add(base+"security-group-ids", strings.Join(i.SecurityGroupIDs, "\n"))
	t.add(base+"security-groups", strings.Join(i.SecurityGroups, "\n"))
	t.add(base+"subnet-id", i.SubnetID)
	if i.SubnetCIDR.IsValid() {
		t.add(base+"subnet-ipv4-cidr-block", i.SubnetCIDR.String())
	}
	t.add(base+"vpc-id", i.VPCID)
	if len(i.VPCCIDRs) > 0 {
		t.add(base+"vpc-ipv4-cidr-block", i.VPCCIDRs[0].String())
	}
	t.add(base+"vpc-ipv4-cidr-blocks", lines(i.VPCCIDRs))
}

func (t Tree) iam(d Document) {
	if d.ProfileARN == "" {
		return
	}
	updated := time.Time{}
	if d.Credentials != nil {
		updated = d.Credentials.LastUpdated
	}
	t["meta-data/iam/info"] = indented(map[string]any{
		"Code": "Success", "LastUpdated": stamp(updated), "InstanceProfileArn": d.ProfileARN, "InstanceProfileId": d.ProfileID,
	})
	if c := d.Credentials; c != nil && d.RoleName != "" {
		t["meta-data/iam/security-credentials/"+d.RoleName] = indented(map[string]any{
			"Code": "Success", "Type": "AWS-HMAC", "LastUpdated": stamp(c.LastUpdated), "Expiration": stamp(c.Expiration),
			"AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey, "Token": c.Token,
		})
	}
}

func (t Tree) events(d Document) {
	type event struct {
		NotBefore   string `json:"NotBefore"`
		Code        string `json:"Code"`
		Description string `json:"Description"`
		EventID     string `json:"EventId"`
		NotAfter    string `json:"NotAfter,omitempty"`
		State       string `json:"State"`
	}
	const eventTime = "2 Jan 2006 15:04:05 GMT"
	scheduled := []event{}
	for _, e := range d.Maintenance {
		out := event{NotBefore: e.NotBefore.UTC().Format(eventTime), Code: e.Code, Description: e.Description, EventID: e.EventID, State: e.State}
		if !e.NotAfter.IsZero() {
			out.NotAfter = e.NotAfter.UTC().Format(eventTime)
		}
		scheduled = append(scheduled, out)
	}
	t["meta-data/events/maintenance/scheduled"] = indented(scheduled)
	t["meta-data/events/maintenance/history"] = "[]"
	if !d.RebalanceNotice.IsZero() {
		t["meta-data/events/recommendations/rebalance"] = fmt.Sprintf(`{"noticeTime":%q}`, stamp(d.RebalanceNotice))
	}
	if s := d.SpotAction; s != nil {
		t["meta-data/spot/instance-action"] = fmt.Sprintf(`{"action":%q,"time":%q}`, s.Action, stamp(s.Time))
		if s.Action == "terminate" {
			t["meta-data/spot/termination-time"] = stamp(s.Time)
		}
	}
}

// identityDocument is the JSON that EC2 signs; here it is not signed.
func identityDocument(d Document) string {
	var private string
	for _, i := range d.Interfaces {
		if i.DeviceIndex == 0 && i.NetworkCard == 0 {
			private = first(i.Addresses)
		}
	}
	return indented(map[string]any{
		"accountId": d.Account, "architecture": d.Architecture, "availabilityZone": d.Zone, "billingProducts": nil, "devpayProductCodes": nil,
		"marketplaceProductCodes": nil, "imageId": d.ImageID, "instanceId": d.InstanceID, "instanceType": d.InstanceType, "kernelId": nil,
		"pendingTime": stamp(d.PendingTime), "privateIp": private, "ramdiskId": nil, "region": d.Region, "version": "2017-09-30",
	})
}

// Lookup returns what a GET of a path says: the text of an item, or the sorted list of what is below a category.
func (t Tree) Lookup(path string) (text string, found bool) {
	path = strings.Trim(path, "/")
	if text, found = t[path]; found {
		return text, true
	}
	prefix := path + "/"
	if path == "" {
		prefix = ""
	}
	var names []string
	for p := range t {
		rest, ok := strings.CutPrefix(p, prefix)
		if !ok {
			continue
		}
		// The names of tags may hold slashes; each is one item.
		if name, _, deeper := strings.Cut(rest, "/"); deeper && path != "meta-data/tags/instance" {
			rest = name + "/"
		}
		names = append(names, rest)
	}
	slices.Sort(names)
	return strings.Join(slices.Compact(names), "\n"), len(names) > 0
}

func first(addresses []netip.Addr) string {
	if len(addresses) == 0 {
		return ""
	}
	return addresses[0].String()
}

func lines[T fmt.Stringer](items []T) string {
	var out []string
	for _, i := range items {
		out = append(out, i.String())
	}
	return strings.Join(out, "\n")
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

// indented marshals maps of plain values, which cannot fail.
func indented(v any) string {
	out, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		panic(err)
	}
	return string(out)
}
