package operator

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"net"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	certv1 "k8s.io/api/certificates/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// testServingCertificate asks as a node for itself, and as a node for somebody else's address.
func testServingCertificate(c *testCluster) {
	id := c.readyClaim("default").Status.NodeName
	own := c.requestCertificate("own", id, c.address(id))
	other := c.requestCertificate("other", id, "10.99.99.99")
	c.eventually("the node's own request is signed", func() error {
		c.must(c.admin.Get(c.ctx, client.ObjectKeyFromObject(own), own))
		if len(own.Status.Certificate) == 0 {
			return fmt.Errorf("status: %+v", own.Status)
		}
		return nil
	})
	c.eventually("the other request is denied", func() error {
		c.must(c.admin.Get(c.ctx, client.ObjectKeyFromObject(other), other))
		for _, condition := range other.Status.Conditions {
			if condition.Type == certv1.CertificateDenied {
				return nil
			}
		}
		return fmt.Errorf("status: %+v", other.Status)
	})
}

// address is the private address of an instance.
func (c *testCluster) address(id string) string {
	out, err := c.ec2.DescribeInstances(c.ctx, &ec2.DescribeInstancesInput{InstanceIds: []string{id}})
	c.must(err)
	return aws.ToString(out.Reservations[0].Instances[0].PrivateIpAddress)
}

func (c *testCluster) requestCertificate(name, id, address string) *certv1.CertificateSigningRequest {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{
		Subject:     pkix.Name{CommonName: "system:node:" + id, Organization: []string{"system:nodes"}},
		IPAddresses: []net.IP{net.ParseIP(address)},
	}, key)
	c.must(err)
	csr := &certv1.CertificateSigningRequest{ObjectMeta: named(name)}
	csr.Spec.SignerName = certv1.KubeletServingSignerName
	csr.Spec.Usages = []certv1.KeyUsage{certv1.UsageDigitalSignature, certv1.UsageServerAuth}
	csr.Spec.Request = pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})

	config := rest.CopyConfig(c.rest)
	config.Impersonate = rest.ImpersonationConfig{UserName: "system:node:" + id, Groups: []string{"system:nodes", "system:authenticated"}}
	node, err := client.New(config, client.Options{Scheme: newScheme()})
	c.must(err)
	c.must(node.Create(c.ctx, csr))
	return csr
}
