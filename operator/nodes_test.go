package operator

import (
	"fmt"
	"os/exec"
	"path/filepath"
	"testing"
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
      nodeSelector: {karpenter.sh/capacity-type: spot}
      containers: [{name: app, image: nginx, resources: {requests: {cpu: 500m}}}]
`
const pool = `
apiVersion: karpenter.sh/v1
kind: NodePool
metadata:
  name: default
spec:
  template:
    spec:
      nodeClassRef:
        group: eks.amazonaws.com
        kind: NodeClass
        name: default
      requirements:
        - key: "karpenter.sh/capacity-type"
          operator: In
          values: ["on-demand", "spot"]
        - key: "eks.amazonaws.com/instance-category"
          operator: In
          values: ["c", "m", "r"]
        - key: "eks.amazonaws.com/instance-cpu"
          operator: In
          values: ["2", "4", "8"]
        - key: "kubernetes.io/arch"
          operator: In
          values: ["amd64"]
`

func TestPodsBringNodesAndNodesGo(t *testing.T) {
	c := newTestCluster(t)
	c.apply(pool)
	c.apply(fmt.Sprintf(deployment, "web", 2))
	c.eventually("a node is initialized", func() error {
		claims := c.claims()
		if len(claims) != 1 || !claims[0].StatusConditions().Root().IsTrue() {
			return fmt.Errorf("%d claims: %v", len(claims), claims)
		}
		return nil
	})
	for _, k := range []string{"nodeclass", "nodepool", "nodeclaim", "node"} {
		libexec, _ := filepath.Abs("../bin/kubernetes-1.35/kubectl")
		out, err := exec.Command(libexec, "--kubeconfig", c.config.Kubeconfig, "describe", k).CombinedOutput()
		t.Log(string(out), err)
	}
	t.Log(c.log.tail(100000))
}
