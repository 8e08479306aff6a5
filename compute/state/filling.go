package state

import (
	"encoding/json"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	karpv1 "sigs.k8s.io/karpenter/pkg/apis/v1"
)

// AnnotationPlaces is on a NodeClaim that replaces others, until the pods that
// it is for have come. Its node is closed to pods meanwhile.
const AnnotationPlaces = "automode.dev/places"

// Places is the annotation's content: how many pods of which controller, a
// ReplicaSet for instance, a node is for.
type Places map[types.UID]int

// PlacesFor counts pods by controller. Pods without one do not come back.
func PlacesFor(pods []*corev1.Pod) Places {
	places := Places{}
	for _, pod := range pods {
		if owner := metav1.GetControllerOfNoCopy(pod); owner != nil {
			places[owner.UID]++
		}
	}
	return places
}

// Marshal writes the places as the annotation has them.
func (p Places) Marshal() string {
	text, err := json.Marshal(p)
	if err != nil {
		panic(fmt.Sprintf("marshalling numbers by name: %v", err))
	}
	return string(text)
}

// PlacesOf reads the annotation of a claim; false where there is none. One that
// cannot be read is for no pods.
func PlacesOf(claim *karpv1.NodeClaim) (Places, bool) {
	if claim == nil {
		return nil, false
	}
	text, ok := claim.Annotations[AnnotationPlaces]
	if !ok {
		return nil, false
	}
	var places Places
	if err := json.Unmarshal([]byte(text), &places); err != nil {
		return nil, true
	}
	return places, true
}
