// Package kubeletcsr approves the serving certificates that kubelets ask for, when a node asks for itself and for
// addresses that its instance really has.
//
// It signs nothing, and it leaves requests of other signers and of nodes that are not ours alone.
package kubeletcsr

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	certv1 "k8s.io/api/certificates/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/builder"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/log"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/predicate"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/automode-dev/automode/compute"
)

const (
	userPrefix = "system:node:"
	nodesGroup = "system:nodes"
	// unknownFor is how long a request of an instance the cloud does not know is looked at again.
	unknownFor = 5 * time.Minute
)

// Instances finds instances.
type Instances interface {
	// Instance finds one by id; a Failure of kind NotFound when it is terminated or unknown.
	Instance(ctx context.Context, id string) (compute.Instance, error)
}

// Controller approves or denies requests for kubelet serving certificates.
type Controller struct {
	kube      client.Client
	instances Instances
	cluster   string
}

// NewController makes the controller of one cluster.
func NewController(kube client.Client, instances Instances, cluster string) *Controller {
	return &Controller{kube: kube, instances: instances, cluster: cluster}
}

// Reconcile decides one request.
func (c *Controller) Reconcile(ctx context.Context, csr *certv1.CertificateSigningRequest) (reconcile.Result, error) {
	if !pending(csr) {
		return reconcile.Result{}, nil
	}
	id, ok := strings.CutPrefix(csr.Spec.Username, userPrefix)
	if !ok || !strings.HasPrefix(id, "i-") || !slices.Contains(csr.Spec.Groups, nodesGroup) {
		return reconcile.Result{}, nil
	}
	instance, err := c.instances.Instance(ctx, id)
	if compute.IsNotFound(err) {
		if time.Since(csr.CreationTimestamp.Time) < unknownFor {
			return reconcile.Result{RequeueAfter: 5 * time.Second}, nil
		}
		return reconcile.Result{}, nil
	}
	if err != nil {
		return reconcile.Result{}, fmt.Errorf("deciding certificate request %q: %w", csr.Name, err)
	}
	if instance.Tags[compute.TagCluster] != c.cluster {
		return reconcile.Result{}, nil
	}
	if err := Check(csr, instance); err != nil {
		log.FromContext(ctx).Info("denying kubelet serving certificate", "request", csr.Name, "node", id, "why", err.Error())
		return reconcile.Result{}, c.decide(ctx, csr, certv1.CertificateDenied, "AutoDenied", err.Error())
	}
	return reconcile.Result{}, c.decide(ctx, csr, certv1.CertificateApproved, "AutoApproved", "The instance "+id+" has all names and addresses of the request.")
}

// Check compares a request with the instance it claims to be for.
func Check(csr *certv1.CertificateSigningRequest, instance compute.Instance) error {
	block, _ := pem.Decode(csr.Spec.Request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return errors.New("the request is no PEM certificate request")
	}
	request, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return fmt.Errorf("the request cannot be read: %w", err)
	}
	if request.Subject.CommonName != csr.Spec.Username || !slices.Equal(request.Subject.Organization, []string{nodesGroup}) {
		return fmt.Errorf("the subject is %q, want common name %q and organization %q", request.Subject, csr.Spec.Username, nodesGroup)
	}
	if len(request.EmailAddresses)+len(request.URIs) > 0 {
		return errors.New("the request has e-mail addresses or URIs")
	}
	if len(request.DNSNames)+len(request.IPAddresses) == 0 {
		return errors.New("the request has neither names nor addresses")
	}
	for _, name := range request.DNSNames {
		if name != instance.ID && !slices.Contains(instance.DNSNames, name) {
			return fmt.Errorf("the name %q does not belong to instance %s", name, instance.ID)
		}
	}
	for _, address := range request.IPAddresses {
		if !slices.Contains(instance.Addresses, address.String()) {
			return fmt.Errorf("the address %s does not belong to instance %s", address, instance.ID)
		}
	}
	return checkUsages(csr.Spec.Usages)
}

func checkUsages(usages []certv1.KeyUsage) error {
	allowed := []certv1.KeyUsage{certv1.UsageDigitalSignature, certv1.UsageKeyEncipherment, certv1.UsageServerAuth}
	for _, usage := range usages {
		if !slices.Contains(allowed, usage) {
			return fmt.Errorf("the usage %q is not one of a server", usage)
		}
	}
	if !slices.Contains(usages, certv1.UsageServerAuth) {
		return errors.New("the usage \"server auth\" is missing")
	}
	return nil
}

func (c *Controller) decide(ctx context.Context, csr *certv1.CertificateSigningRequest, decision certv1.RequestConditionType, reason, message string) error {
	csr.Status.Conditions = append(csr.Status.Conditions, certv1.CertificateSigningRequestCondition{
		Type: decision, Status: corev1.ConditionTrue, Reason: reason, Message: message, LastUpdateTime: metav1.Now(),
	})
	err := c.kube.SubResource("approval").Update(ctx, csr)
	if apierrors.IsConflict(err) || apierrors.IsNotFound(err) {
		return nil // somebody else decided, or it is gone
	}
	if err != nil {
		return fmt.Errorf("deciding certificate request %q: %w", csr.Name, err)
	}
	return nil
}

func pending(csr *certv1.CertificateSigningRequest) bool {
	if csr.Spec.SignerName != certv1.KubeletServingSignerName || len(csr.Status.Certificate) > 0 {
		return false
	}
	for _, condition := range csr.Status.Conditions {
		if condition.Type == certv1.CertificateApproved || condition.Type == certv1.CertificateDenied {
			return false
		}
	}
	return true
}

// Register adds the controller to the manager.
func (c *Controller) Register(_ context.Context, m manager.Manager) error {
	serving := predicate.NewPredicateFuncs(func(object client.Object) bool {
		return object.(*certv1.CertificateSigningRequest).Spec.SignerName == certv1.KubeletServingSignerName
	})
	return ctrl.NewControllerManagedBy(m).
		Named("kubeletcsr").
		For(&certv1.CertificateSigningRequest{}, builder.WithPredicates(serving)).
		Complete(reconcile.AsReconciler(m.GetClient(), c))
}
