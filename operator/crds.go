package operator

import (
	"context"
	"fmt"
	"reflect"
	"time"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apiextensions-apiserver/pkg/client/clientset/clientset"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"

	"github.com/automode-dev/automode/api/crds"
)

// ensureCRDs installs the custom resource definitions, brings older ones up to date, and waits until they are served.
func ensureCRDs(ctx context.Context, config *rest.Config) error {
	clients, err := clientset.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("connecting to the API server: %w", err)
	}
	definitions, err := crds.All()
	if err != nil {
		return err
	}
	for _, want := range definitions {
		if err := ensureCRD(ctx, clients, want); err != nil {
			return fmt.Errorf("installing definition %s: %w", want.Name, err)
		}
	}
	for _, want := range definitions {
		if err := waitEstablished(ctx, clients, want.Name); err != nil {
			return fmt.Errorf("waiting for definition %s to be served: %w", want.Name, err)
		}
	}
	return nil
}

func ensureCRD(ctx context.Context, clients clientset.Interface, want *apiextensionsv1.CustomResourceDefinition) error {
	api := clients.ApiextensionsV1().CustomResourceDefinitions()
	have, err := api.Get(ctx, want.Name, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		_, err = api.Create(ctx, want, metav1.CreateOptions{})
		if apierrors.IsAlreadyExists(err) {
			return nil
		}
		return err
	}
	if err != nil || reflect.DeepEqual(have.Spec.Versions, want.Spec.Versions) {
		return err
	}
	have.Spec.Versions = want.Spec.Versions
	_, err = api.Update(ctx, have, metav1.UpdateOptions{})
	return err
}

func waitEstablished(ctx context.Context, clients clientset.Interface, name string) error {
	return wait.PollUntilContextTimeout(ctx, 100*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		crd, err := clients.ApiextensionsV1().CustomResourceDefinitions().Get(ctx, name, metav1.GetOptions{})
		if err != nil {
			return false, nil
		}
		for _, condition := range crd.Status.Conditions {
			if condition.Type == apiextensionsv1.Established && condition.Status == apiextensionsv1.ConditionTrue {
				return true, nil
			}
		}
		return false, nil
	})
}
