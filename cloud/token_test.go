package cloud

import (
	"context"
	"encoding/base64"
	"net/url"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
)

func TestClusterTokenIsBoundToTheCluster(t *testing.T) {
	cfg := aws.Config{
		Region:       "eu-west-1",
		BaseEndpoint: aws.String("http://127.0.0.1:4566"),
		Credentials:  credentials.NewStaticCredentialsProvider("AKID", "secret", "session"),
	}
	token, _, err := ClusterToken(context.Background(), cfg, "demo")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := base64.RawURLEncoding.DecodeString(strings.TrimPrefix(token, "k8s-aws-v1."))
	if err != nil {
		t.Fatal(err)
	}
	signed, err := url.Parse(string(raw))
	if err != nil {
		t.Fatal(err)
	}
	query := signed.Query()
	if signed.Host != "127.0.0.1:4566" || query.Get("Action") != "GetCallerIdentity" || query.Get("X-Amz-Expires") != "60" {
		t.Errorf("unexpected request %s", signed)
	}
	if got := query.Get("X-Amz-SignedHeaders"); got != "host;x-k8s-aws-id" {
		t.Errorf("signed headers %q", got)
	}
	if !strings.Contains(query.Get("X-Amz-Credential"), "/eu-west-1/sts/") || query.Get("X-Amz-Security-Token") != "session" {
		t.Errorf("credentials are not in %s", signed)
	}
}
