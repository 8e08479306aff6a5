package nodeclass

import (
	"testing"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
)

// The name that EKS gave the profile of a real cluster's default NodeClass.
func TestProfileName(t *testing.T) {
	class := &eksv1.NodeClass{Spec: eksv1.NodeClassSpec{Role: "test-cluster-eks-auto-20241229084518842100000001"}}
	class.Name = "default"
	want := "eks-ap-northeast-1-test-cluster-11975232971565303637"
	if got := ProfileName("ap-northeast-1", "test-cluster", class); got != want {
		t.Errorf("ProfileName = %s, want %s", got, want)
	}
}
