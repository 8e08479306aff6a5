package node

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientauth "k8s.io/client-go/pkg/apis/clientauthentication/v1"
)

// PrintToken answers as a credential plugin of client-go: it prints an ExecCredential with a token for the cluster.
func PrintToken(ctx context.Context, out io.Writer, source TokenSource, region, cluster string) error {
	token, expires, err := source(ctx, region, cluster)
	if err != nil {
		return err
	}
	expiration := metav1.NewTime(expires)
	credential := clientauth.ExecCredential{
		TypeMeta: metav1.TypeMeta{APIVersion: clientauth.SchemeGroupVersion.String(), Kind: "ExecCredential"},
		Status:   &clientauth.ExecCredentialStatus{Token: token, ExpirationTimestamp: &expiration},
	}
	if err := json.NewEncoder(out).Encode(credential); err != nil {
		return fmt.Errorf("printing the token: %w", err)
	}
	return nil
}
