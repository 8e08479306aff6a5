package iam

import (
	_ "embed"
	"encoding/json"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// managed.json holds the AWS managed policies, written by hack/managed-policies.cjs.
//
//go:embed managed.json
var managedJSON []byte

// awsPolicies are the AWS managed policies by ARN. Only their latest version exists here.
var awsPolicies = sync.OnceValue(func() map[string]*ManagedPolicy {
	var raw map[string]struct {
		ARN, Version     string
		Created, Updated time.Time
		Document         json.RawMessage
	}
	if err := json.Unmarshal(managedJSON, &raw); err != nil {
		panic(err) // the file is part of the program
	}
	all := map[string]*ManagedPolicy{}
	for name, p := range raw {
		path := strings.TrimSuffix(strings.TrimPrefix(p.ARN, "arn:aws:iam::aws:policy"), name)
		number, _ := strconv.Atoi(strings.TrimPrefix(p.Version, "v"))
		all[p.ARN] = &ManagedPolicy{
			Entity:  Entity{Name: name, Path: path, ID: awsPolicyID(name), ARN: p.ARN, Created: p.Created},
			Updated: p.Updated, Default: p.Version, LastVersion: number, AWS: true,
			Versions: []PolicyVersion{{ID: p.Version, Document: string(p.Document), Created: p.Updated}},
		}
	}
	return all
})

// awsPolicyID derives a stable id from the name.
func awsPolicyID(name string) string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
	h := uint64(14695981039346656037)
	id := []byte("ANPA")
	for i := range 17 {
		for j := range len(name) {
			h = (h ^ uint64(name[j])) * 1099511628211
		}
		h += uint64(i)
		id = append(id, alphabet[h>>20&31])
	}
	return string(id)
}

// policy returns a managed policy of AWS or of the account.
func policy(tx *store.Tx, arn string) (*ManagedPolicy, error) {
	if p := awsPolicies()[arn]; p != nil {
		return p, nil
	}
	if !strings.HasPrefix(arn, "arn:aws:iam::") {
		return nil, wire.Errorf("InvalidInput", "ARN %s is not valid.", arn)
	}
	return policies.get(tx, arn)
}

// document returns the default version's document.
func (p *ManagedPolicy) document() string {
	if v := p.version(p.Default); v != nil {
		return v.Document
	}
	return ""
}

func (p *ManagedPolicy) version(id string) *PolicyVersion {
	for i := range p.Versions {
		if p.Versions[i].ID == id {
			return &p.Versions[i]
		}
	}
	return nil
}
