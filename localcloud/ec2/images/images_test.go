package images

import "testing"

func TestIDsAreDistinctAndStable(t *testing.T) {
	seen := map[string]string{}
	for _, i := range All() {
		for _, region := range []string{"us-east-1", "eu-west-1"} {
			id := i.ID(region)
			if other, ok := seen[id]; ok {
				t.Errorf("%s in %s has the id of %s", i.Name, region, other)
			}
			seen[id] = i.Name
		}
	}
	if a, b := All()[0].ID("us-east-1"), All()[0].ID("us-east-1"); a != b || len(a) != len("ami-0123456789abcdef0") {
		t.Errorf("got ids %s, %s", a, b)
	}
}

func TestParametersNameTheNewestImage(t *testing.T) {
	for name, want := range map[string][4]string{
		"/aws/service/eks/optimized-ami/1.35/amazon-linux-2023/arm64/standard/recommended/image_id": {AmazonLinux, "1.35", "arm64", "standard"},
		"/aws/service/bottlerocket/aws-k8s-1.34/x86_64/latest/image_id":                             {Bottlerocket, "1.34", "amd64", ""},
		"/aws/service/bottlerocket/aws-k8s-1.34-nvidia/x86_64/latest/image_id":                      {Bottlerocket, "1.34", "amd64", "nvidia"},
		"/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64":                     {Plain, "", "x86_64", "kernel-6.1"},
	} {
		image, ok := Find(want[0], want[1], want[2], want[3])
		if !ok {
			t.Errorf("no image for %v", want)
			continue
		}
		if got := Parameters("us-east-1")[name]; got != image.ID("us-east-1") || image.Created != releases[len(releases)-1].created {
			t.Errorf("%s is %s, want %s (%s)", name, got, image.ID("us-east-1"), image.Name)
		}
	}
}
