package nodes

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"

	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"

	eksv1 "github.com/automode-dev/automode/api/eks/v1"
	"github.com/automode-dev/automode/compute"
	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/instancetypes"
)

const (
	rootDevice    = "/dev/xvda"
	dataDevice    = "/dev/xvdb"
	rootVolumeGiB = 20
)

// Template says how instances of the type are launched for a claim. Its name follows from its content.
func Template(cluster Cluster, class *eksv1.NodeClass, claim *karpv1.NodeClaim, capacityType, imageID string, t *catalog.Type) (compute.LaunchTemplate, error) {
	userData, err := UserData(cluster, class, claim, capacityType, t)
	if err != nil {
		return compute.LaunchTemplate{}, fmt.Errorf("rendering user data for %s: %w", t.Name, err)
	}
	template := compute.LaunchTemplate{
		CapacityType:    capacityType,
		ImageID:         imageID,
		InstanceProfile: class.Status.InstanceProfile,
		UserData:        userData,
		RootVolume:      compute.Volume{Device: rootDevice, SizeGiB: rootVolumeGiB, KMSKeyID: kmsKey(class)},
		DataVolume:      dataVolume(class, t),
		Interfaces:      interfaces(class),
		Tags:            Tags(cluster.Name, class, claim.Labels[karpv1.NodePoolLabelKey]),
	}
	for _, group := range class.Status.SecurityGroups {
		template.SecurityGroupIDs = append(template.SecurityGroupIDs, group.ID)
	}
	if class.Spec.AdvancedNetworking != nil {
		template.PublicIP = class.Spec.AdvancedNetworking.AssociatePublicIPAddress
	}
	if group := class.Spec.PlacementGroupSelector; group != nil {
		template.PlacementGroupName, template.PlacementGroupID = group.Name, group.ID
	}
	template.Name, err = templateName(cluster.Name, template)
	return template, err
}

// Tags of everything launched for a node. The tags of Auto Mode win over those of the NodeClass.
func Tags(cluster string, class *eksv1.NodeClass, pool string) map[string]string {
	tags := maps.Clone(class.Spec.Tags)
	if tags == nil {
		tags = map[string]string{}
	}
	tags[compute.TagCluster] = cluster
	tags[compute.TagNodeClass] = class.Name
	tags[compute.TagNodePool] = pool
	tags[compute.TagOwnedPrefix+cluster] = "owned"
	return tags
}

func templateName(cluster string, template compute.LaunchTemplate) (string, error) {
	document, err := json.Marshal(template)
	if err != nil {
		return "", fmt.Errorf("naming launch template: %w", err)
	}
	sum := sha256.Sum256(document)
	return fmt.Sprintf("eks-auto-mode/%s/%s", cluster, hex.EncodeToString(sum[:10])), nil
}

func dataVolume(class *eksv1.NodeClass, t *catalog.Type) compute.Volume {
	volume := compute.Volume{
		Device: dataDevice, SizeGiB: int32(instancetypes.DataVolumeGiB(t, class)), KMSKeyID: kmsKey(class),
		IOPS: int32(eksv1.DefaultEphemeralIOPS), Throughput: int32(eksv1.DefaultEphemeralThroughput),
	}
	if storage := class.Spec.EphemeralStorage; storage != nil {
		if storage.IOPS != nil {
			volume.IOPS = int32(*storage.IOPS)
		}
		if storage.Throughput != nil {
			volume.Throughput = int32(*storage.Throughput)
		}
	}
	return volume
}

func kmsKey(class *eksv1.NodeClass) string {
	if class.Spec.EphemeralStorage == nil {
		return ""
	}
	return class.Spec.EphemeralStorage.KMSKeyID
}

// interfaces is the layout of the NodeClass, or one interface with a first /28 for pods.
func interfaces(class *eksv1.NodeClass) []compute.LaunchInterface {
	networking := class.Spec.AdvancedNetworking
	if networking != nil && len(networking.NetworkInterfaces) > 0 {
		var layout []compute.LaunchInterface
		for _, n := range networking.NetworkInterfaces {
			layout = append(layout, compute.LaunchInterface{
				CardIndex: n.NetworkCardIndex, DeviceIndex: n.DeviceIndex, Type: n.InterfaceType,
				Prefixes: value(n.SecondaryIPv4PrefixCount), Addresses: value(n.SecondaryIPv4Count),
			})
		}
		return layout
	}
	primary := compute.LaunchInterface{}
	if networking != nil && networking.IPv4PrefixSize == "32" {
		primary.Addresses = 1
	} else {
		primary.Prefixes = 1
	}
	return []compute.LaunchInterface{primary}
}

func value(p *int32) int32 {
	if p == nil {
		return 0
	}
	return *p
}
