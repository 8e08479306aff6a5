package eks

import (
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	"github.com/google/uuid"

	"github.com/automode-dev/automode/localcloud/store"
)

// Types of access entries.
const (
	typeStandard = "STANDARD"
	typeEC2      = "EC2"
	typeEC2Linux = "EC2_LINUX"
)

// automatic are the entries that the service makes by itself for a cluster
// with the configuration of want: its creator, its role, its nodes' role. Those
// for the roles of custom NodeClasses follow when the classes appear.
func (s *Service) automatic(r *record, want *types.Cluster) []entryRecord {
	var all []entryRecord
	creator := aws.ToBool(want.AccessConfig.BootstrapClusterCreatorAdminPermissions)
	if creator && r.Cluster.Status == types.ClusterStatusCreating {
		all = append(all, s.newEntry(r, r.Creator, typeStandard, "AmazonEKSClusterAdminPolicy"))
	}
	if !autoModeOn(want) {
		return all
	}
	role := s.newEntry(r, aws.ToString(want.RoleArn), typeStandard, clusterRolePolicies...)
	role.Managed = true
	all = append(all, role)
	if node := aws.ToString(want.ComputeConfig.NodeRoleArn); node != "" {
		all = append(all, s.newEntry(r, node, typeEC2, onlyForNodes))
	}
	return all
}

// putAutomaticEntries writes the automatic entries that are missing. Entries
// that a user made for the same principal stay as they are.
func (s *Service) putAutomaticEntries(tx *store.Tx, r *record, want *types.Cluster) error {
	if !accessEntriesOn(authenticationMode(want)) {
		return nil
	}
	for _, e := range s.automatic(r, want) {
		_, there, err := store.Get[entryRecord](tx, bucketEntries, e.key())
		if err != nil {
			return err
		}
		if there {
			continue
		}
		if err := store.Put(tx, bucketEntries, e.key(), e); err != nil {
			return err
		}
	}
	return nil
}

// newEntry is an entry with its defaults and the named policies on the whole
// cluster.
func (s *Service) newEntry(r *record, principal, kind string, policies ...string) entryRecord {
	now := s.o.Clock.Now().UTC()
	id := uuid.NewString()
	e := entryRecord{Region: r.Region, ID: id, Entry: types.AccessEntry{
		ClusterName: r.Cluster.Name, PrincipalArn: aws.String(principal), Type: aws.String(kind),
		CreatedAt: &now, ModifiedAt: &now, Tags: map[string]string{},
		KubernetesGroups: defaultGroups(kind), Username: aws.String(defaultUsername(principal, kind)),
		AccessEntryArn: aws.String(entryARN(r, principal, id)),
	}}
	for _, p := range policies {
		e.Policies = append(e.Policies, types.AssociatedAccessPolicy{
			PolicyArn: aws.String(policyPrefix + p), AssociatedAt: &now, ModifiedAt: &now,
			AccessScope: &types.AccessScope{Type: types.AccessScopeTypeCluster, Namespaces: []string{}},
		})
	}
	return e
}

// entryARN is arn:aws:eks:<region>:<account>:access-entry/<cluster>/<role|user>/<account>/<name>/<id>.
func entryARN(r *record, principal, id string) string {
	kind, name := "role", principal
	account := r.Account
	if parts := strings.SplitN(principal, ":", 6); len(parts) == 6 {
		account = parts[4]
		kind, name, _ = strings.Cut(parts[5], "/")
	}
	return fmt.Sprintf("arn:aws:eks:%s:%s:access-entry/%s/%s/%s/%s/%s", r.Region, r.Account, r.name(), kind, account, name, id)
}

func defaultGroups(kind string) []string {
	switch kind {
	case typeEC2, typeEC2Linux, "HYBRID_LINUX", "HYPERPOD_LINUX":
		return []string{"system:nodes"}
	case "EC2_WINDOWS":
		return []string{"system:nodes", "eks:kube-proxy-windows"}
	case "FARGATE_LINUX":
		return []string{"system:node-proxier", "system:nodes"}
	}
	return []string{}
}

// defaultUsername is the pattern of the Kubernetes user for sessions of the
// principal.
func defaultUsername(principal, kind string) string {
	switch kind {
	case typeEC2, "HYBRID_LINUX", "FARGATE_LINUX", "HYPERPOD_LINUX":
		return "system:node:{{SessionName}}"
	case typeEC2Linux, "EC2_WINDOWS":
		return "system:node:{{EC2PrivateDNSName}}"
	}
	parts := strings.SplitN(principal, ":", 6)
	if len(parts) == 6 && strings.HasPrefix(parts[5], "role/") {
		return fmt.Sprintf("arn:aws:sts::%s:assumed-role/%s/{{SessionName}}", parts[4], lastPart(parts[5]))
	}
	return principal
}

// lastPart is what follows the last slash: IAM names without their path.
func lastPart(s string) string { return s[strings.LastIndex(s, "/")+1:] }
