package operator

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	awsiam "github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	ec2cloud "github.com/automode-dev/automode/localcloud/ec2"
)

const deployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: %s}
spec:
  replicas: %d
  selector: {matchLabels: {app: %[1]s}}
  template:
    metadata: {labels: {app: %[1]s}}
    spec:
      nodeSelector: {%[3]s}
      containers: [{name: app, image: nginx, resources: {requests: {cpu: 500m}}}]
`

const spotPool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata: {name: default}
spec:
  template:
    spec:
      nodeClassRef: {group: eks.amazonaws.com, kind: NodeClass, name: %s}
      requirements:
      - {key: karpenter.sh/capacity-type, operator: In, values: [on-demand, spot]}
      - {key: eks.amazonaws.com/instance-category, operator: In, values: [c, m, r]}
      - {key: eks.amazonaws.com/instance-cpu, operator: In, values: ["2", "4", "8"]}
      - {key: kubernetes.io/arch, operator: In, values: [amd64]}
`

const taggedClass = `
apiVersion: eks.amazonaws.com/v1
kind: NodeClass
metadata: {name: tagged}
spec:
  role: %s
  subnetSelectorTerms: [{id: %s}]
  securityGroupSelectorTerms: [{id: %s}]
  tags: {environment: custom}
`

// A cluster from its first pod to its last, the way users go through it.
func TestNodes(t *testing.T) {
	c := newTestCluster(t)
	t.Run("built-in objects", c.in(testBuiltin))
	t.Run("edits of built-in objects are reverted", c.in(testRevert))
	t.Run("seed 003: a spot pool", c.in(testSpotPool))
	t.Run("seed 003: a wrong label key", c.in(testRestrictedLabel))
	t.Run("seed 000: tags without permission", c.in(testTagsWithoutPermission))
	t.Run("a kubelet gets its serving certificate", c.in(testServingCertificate))
	t.Run("kubectl delete node ends the instance", c.in(testDeleteNode))
	t.Run("an instance without a claim is ended", c.in(testLeftover))
	t.Run("a changed image replaces nodes", c.in(testImageDrift))
	t.Run("no spot capacity: on-demand", c.in(testShortage))
	t.Run("no pods, no nodes", c.in(testScaleDown))
	t.Run("built-in pools are switched off", c.in(testSwitchOff))
}

// in runs a part of a long test with the cluster; a part that fails does not end the others.
func (c *testCluster) in(part func(*testCluster)) func(*testing.T) {
	return func(t *testing.T) {
		whole := c.TB
		c.TB = t
		defer func() { c.TB = whole }()
		part(c)
	}
}

func testBuiltin(c *testCluster) {
	for name, hash := range map[string]string{"general-purpose": "4012513481623584108", "system": "4982684901400657622"} {
		pool := &karpv1.NodePool{}
		c.eventually("pool "+name+" is ready", func() error {
			if err := c.admin.Get(c.ctx, types.NamespacedName{Name: name}, pool); err != nil {
				return err
			}
			if !pool.StatusConditions().Root().IsTrue() {
				return fmt.Errorf("conditions: %v", pool.Status.Conditions)
			}
			return nil
		})
		if got := pool.Annotations[karpv1.NodePoolHashAnnotationKey]; got != hash {
			c.Errorf("hash of pool %s = %s, want %s", name, got, hash)
		}
	}
	class := &eksv1.NodeClass{}
	c.must(c.admin.Get(c.ctx, types.NamespacedName{Name: "default"}, class))
	for _, condition := range []string{"SubnetsReady", "SecurityGroupsReady", "InstanceProfileReady", "ValidationSucceeded", "Ready"} {
		if got := class.StatusConditions().Get(condition); !got.IsTrue() || got.Reason != condition || got.Message != "" {
			c.Errorf("condition %s = %+v, want True with its own name as reason", condition, got)
		}
	}
	if len(class.Status.Subnets) != 3 || !strings.HasPrefix(class.Status.InstanceProfile, "eks-us-east-1-test-cluster-") {
		c.Errorf("status = %+v", class.Status)
	}
}

func testRevert(c *testCluster) {
	pool := &karpv1.NodePool{}
	c.must(c.admin.Get(c.ctx, types.NamespacedName{Name: "system"}, pool))
	pool.Spec.Template.Spec.Taints = nil
	c.must(c.admin.Update(c.ctx, pool))
	c.eventually("the taint is back", func() error {
		c.must(c.admin.Get(c.ctx, types.NamespacedName{Name: "system"}, pool))
		if len(pool.Spec.Template.Spec.Taints) != 1 {
			return fmt.Errorf("taints: %v", pool.Spec.Template.Spec.Taints)
		}
		return nil
	})
}

func testSpotPool(c *testCluster) {
	c.apply(fmt.Sprintf(spotPool, "default"))
	c.apply(fmt.Sprintf(deployment, "nginx", 2, "karpenter.sh/nodepool: default, karpenter.sh/capacity-type: spot"))
	claim := c.readyClaim("default")
	types := requirement(claim, corev1.LabelInstanceTypeStable)
	if len(types) != 60 || slices.ContainsFunc(types, func(name string) bool { return strings.Contains(name, "metal") }) {
		c.Errorf("the claim names %d types, want 60 and no bare metal: %v", len(types), types)
	}
	if got := claim.Spec.Resources.Requests; got.Cpu().String() != "1" || got.Pods().String() != "2" {
		c.Errorf("requests = %v, want 1 CPU and 2 pods", got)
	}
	wantLabels := []string{
		"app.kubernetes.io/managed-by", "eks.amazonaws.com/compute-type", "eks.amazonaws.com/instance-category", "eks.amazonaws.com/instance-cpu",
		"eks.amazonaws.com/instance-cpu-manufacturer", "eks.amazonaws.com/instance-cpu-sustained-clock-speed-mhz", "eks.amazonaws.com/instance-ebs-bandwidth",
		"eks.amazonaws.com/instance-encryption-in-transit-supported", "eks.amazonaws.com/instance-family", "eks.amazonaws.com/instance-generation",
		"eks.amazonaws.com/instance-hypervisor", "eks.amazonaws.com/instance-memory", "eks.amazonaws.com/instance-network-bandwidth",
		"eks.amazonaws.com/instance-size", "eks.amazonaws.com/nodeclass", "karpenter.sh/capacity-type", "karpenter.sh/nodepool", "kubernetes.io/arch",
		"kubernetes.io/os", "node.kubernetes.io/instance-type", "topology.k8s.aws/zone-id", "topology.kubernetes.io/region", "topology.kubernetes.io/zone",
	}
	for _, label := range wantLabels {
		if claim.Labels[label] == "" {
			c.Errorf("label %s is missing on the claim: %v", label, claim.Labels)
		}
	}
	node := &corev1.Node{}
	c.must(c.admin.Get(c.ctx, client.ObjectKey{Name: claim.Status.NodeName}, node))
	for key, value := range claim.Labels {
		if node.Labels[key] != value {
			c.Errorf("label %s of the node = %q, want %q", key, node.Labels[key], value)
		}
	}
	if len(node.Spec.Taints) != 0 {
		c.Errorf("taints of an initialized node: %v", node.Spec.Taints)
	}
	c.checkEvents(claim.Name, "Launched", "Registered", "Initialized", "Ready")
}

func testRestrictedLabel(c *testCluster) {
	pool := strings.Replace(fmt.Sprintf(spotPool, "default"), "name: default}\nspec", "name: wrong}\nspec", 1)
	c.apply(strings.Replace(pool, "eks.amazonaws.com/instance-category", "karpenter.k8s.aws/instance-family", 1))
	c.eventually("the pool says what is wrong", func() error {
		pool := &karpv1.NodePool{}
		c.must(c.admin.Get(c.ctx, client.ObjectKey{Name: "wrong"}, pool))
		condition := pool.StatusConditions().Get(karpv1.ConditionTypeValidationSucceeded)
		const begin, end = "invalid value: label karpenter.k8s.aws/instance-family is restricted; specify a well known label: [app.kubernetes.io/managed-by ", "karpenter.sh kubernetes.io] in requirements, restricted"
		if !condition.IsFalse() || !strings.HasPrefix(condition.Message, begin) || !strings.HasSuffix(condition.Message, end) {
			return fmt.Errorf("condition: %+v", condition)
		}
		return nil
	})
	c.must(c.admin.Delete(c.ctx, &karpv1.NodePool{ObjectMeta: named("wrong")}))
}

func testTagsWithoutPermission(c *testCluster) {
	c.apply(fmt.Sprintf(taggedClass, c.config.Compute.NodeRole, c.config.Cluster.Subnets[0], c.config.Cluster.SecurityGroup))
	c.apply(strings.Replace(fmt.Sprintf(spotPool, "tagged"), "name: default}\nspec", "name: tagged}\nspec", 1))
	c.apply(fmt.Sprintf(deployment, "tagged", 1, "karpenter.sh/nodepool: tagged"))
	c.eventually("the claim says what is not allowed", func() error {
		claims := c.claimsOf("tagged")
		if len(claims) != 1 {
			return fmt.Errorf("%d claims", len(claims))
		}
		want := map[string][3]string{
			"Launched":    {"Unknown", "Unauthorized", "Error getting launch template configs: User is not authorized to perform this operation because no identity-based policy allows it"},
			"Registered":  {"Unknown", "NodeNotFound", "Node not registered with cluster"},
			"Initialized": {"Unknown", "AwaitingReconciliation", "object is awaiting reconciliation"},
			"Ready":       {"Unknown", "ReconcilingDependents", "Initialized=Unknown, Launched=Unknown, Registered=Unknown"},
		}
		got := map[string][3]string{}
		for _, condition := range claims[0].Status.Conditions {
			if _, asked := want[condition.Type]; asked {
				got[condition.Type] = [3]string{string(condition.Status), condition.Reason, condition.Message}
			}
		}
		if diff := cmp.Diff(want, got); diff != "" {
			return fmt.Errorf("conditions (-want +got):\n%s", diff)
		}
		return nil
	})
	c.allowTags()
	claim := c.readyClaim("tagged")
	out, err := c.ec2.DescribeInstances(c.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{claim.Status.NodeName}})
	c.must(err)
	tags := map[string]string{}
	for _, tag := range out.Reservations[0].Instances[0].Tags {
		tags[aws.ToString(tag.Key)] = aws.ToString(tag.Value)
	}
	for key, value := range map[string]string{
		"environment": "custom", "eks:eks-cluster-name": "test-cluster", "eks:kubernetes-node-class-name": "tagged", "eks:kubernetes-node-pool-name": "tagged",
		"kubernetes.io/cluster/test-cluster": "owned",
	} {
		if tags[key] != value {
			c.Errorf("tag %s = %q, want %q", key, tags[key], value)
		}
	}
	if operator := out.Reservations[0].Instances[0].Operator; operator == nil || !aws.ToBool(operator.Managed) || aws.ToString(operator.Principal) != "eks.amazonaws.com" {
		c.Errorf("operator = %+v, want managed by eks.amazonaws.com", operator)
	}
	c.must(c.admin.Delete(c.ctx, &karpv1.NodePool{ObjectMeta: named("tagged")}))
	c.must(c.admin.Delete(c.ctx, &eksv1.NodeClass{ObjectMeta: named("tagged")}))
	c.scale("tagged", 0)
	c.eventually("the node class is gone with its claims", func() error {
		err := c.admin.Get(c.ctx, client.ObjectKey{Name: "tagged"}, &eksv1.NodeClass{})
		if !apierrors.IsNotFound(err) {
			return fmt.Errorf("still there: %v", err)
		}
		return nil
	})
}

// allowTags attaches the policy that the user guide gives for tags of one's own.
func (c *testCluster) allowTags() {
	_, err := awsiam.NewFromConfig(c.cloud.admin).PutRolePolicy(c.ctx, &awsiam.PutRolePolicyInput{
		RoleName: aws.String(clusterRole), PolicyName: aws.String("tags"), PolicyDocument: aws.String(`{"Version":"2012-10-17","Statement":[{
			"Effect":"Allow","Action":["ec2:CreateFleet","ec2:RunInstances","ec2:CreateLaunchTemplate"],"Resource":"*",
			"Condition":{"StringEquals":{"aws:RequestTag/eks:eks-cluster-name":"${aws:PrincipalTag/eks:eks-cluster-name}"},
				"StringLike":{"aws:RequestTag/eks:kubernetes-node-class-name":"*","aws:RequestTag/eks:kubernetes-node-pool-name":"*"}}}]}`),
	})
	c.must(err)
}

func testDeleteNode(c *testCluster) {
	claim := c.readyClaim("default")
	c.must(c.admin.Delete(c.ctx, &corev1.Node{ObjectMeta: named(claim.Status.NodeName)}))
	c.eventually("the instance is gone and another one has taken its place", func() error {
		ids := c.instances()
		if slices.Contains(ids, claim.Status.NodeName) || len(ids) == 0 {
			return fmt.Errorf("instances: %v", ids)
		}
		return nil
	})
}

// testLeftover takes the claim of an instance away in a way that leaves the instance.
func testLeftover(c *testCluster) {
	claim := c.readyClaim("default")
	id := claim.Status.NodeName
	c.nodes.holding(true)
	defer c.nodes.holding(false)
	for _, object := range []client.Object{&claim, &corev1.Node{ObjectMeta: named(id)}} {
		bare := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"finalizers":null}}`))
		c.must(client.IgnoreNotFound(c.admin.Patch(c.ctx, object, bare)))
		c.must(client.IgnoreNotFound(c.admin.Delete(c.ctx, object)))
	}
	c.eventually("the instance without a claim is ended", func() error {
		if ids := c.instances(); slices.Contains(ids, id) {
			return fmt.Errorf("instances: %v", ids)
		}
		return nil
	})
}

func testImageDrift(c *testCluster) {
	before := c.readyClaim("default")
	images := map[string]string{}
	for parameter, id := range c.config.Cluster.Images {
		images[parameter] = id
	}
	for parameter := range images {
		if strings.Contains(parameter, "/1.35/amazon-linux-2023/") && strings.HasSuffix(parameter, "/recommended/image_id") {
			images[parameter] = c.config.Cluster.Images[strings.Replace(parameter, "/1.35/", "/1.34/", 1)]
		}
	}
	c.config.Cluster.Images = images
	c.writeConfig()
	time.Sleep(2 * configPoll)
	// Drift is looked for every five minutes, and at once when the pool changes.
	touch := client.RawPatch(types.MergePatchType, []byte(`{"metadata":{"annotations":{"touched":"true"}}}`))
	c.must(c.admin.Patch(c.ctx, &karpv1.NodePool{ObjectMeta: named("default")}, touch))
	c.eventually("the node is replaced by one with the other image", func() error {
		for _, claim := range c.claimsOf("default") {
			if claim.StatusConditions().Root().IsTrue() && claim.Status.ImageID != before.Status.ImageID && claim.DeletionTimestamp.IsZero() {
				return nil
			}
		}
		return fmt.Errorf("claims: %v", c.summary())
	})
}

func testShortage(c *testCluster) {
	shortage := ec2cloud.Shortage{Region: "us-east-1", CapacityType: "spot"}
	c.must(c.cloud.ec2.SetShortage(shortage))
	c.apply(strings.Replace(fmt.Sprintf(spotPool, "default"), "name: default}\nspec", "name: short}\nspec", 1))
	c.apply(fmt.Sprintf(deployment, "short", 1, "karpenter.sh/nodepool: short"))
	if claim := c.readyClaim("short"); claim.Labels[karpv1.CapacityTypeLabelKey] != "on-demand" {
		c.Errorf("capacity type = %s, want on-demand", claim.Labels[karpv1.CapacityTypeLabelKey])
	}
	c.must(c.cloud.ec2.ClearShortage(shortage))
	c.scale("short", 0)
	c.must(c.admin.Delete(c.ctx, &karpv1.NodePool{ObjectMeta: named("short")}))
}

func testScaleDown(c *testCluster) {
	c.scale("nginx", 0)
	c.eventually("claims, nodes and instances are gone", func() error {
		if claims, nodes, ids := c.claims(), c.liveNodes(), c.instances(); len(claims)+len(nodes)+len(ids) > 0 {
			return fmt.Errorf("%v, %d nodes, instances %v", c.summary(), len(nodes), ids)
		}
		return nil
	})
}

func testSwitchOff(c *testCluster) {
	c.must(c.admin.Delete(c.ctx, &karpv1.NodePool{ObjectMeta: named("default")}))
	c.config.Compute.NodePools = nil
	c.writeConfig()
	c.eventually("neither pools nor node classes are left", func() error {
		pools, classes := &karpv1.NodePoolList{}, &eksv1.NodeClassList{}
		c.must(c.admin.List(c.ctx, pools))
		c.must(c.admin.List(c.ctx, classes))
		if len(pools.Items)+len(classes.Items) > 0 {
			return fmt.Errorf("%d pools, %d classes", len(pools.Items), len(classes.Items))
		}
		return nil
	})
	out, err := awsiam.NewFromConfig(c.cloud.admin).ListInstanceProfiles(c.ctx, &awsiam.ListInstanceProfilesInput{})
	c.must(err)
	if len(out.InstanceProfiles) > 0 {
		c.Errorf("%d instance profiles are left", len(out.InstanceProfiles))
	}
}
