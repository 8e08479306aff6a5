package cloud

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/endpointcreds"
	"github.com/aws/smithy-go/logging"

	"github.com/automode-dev/automode/cloud/transport"
)

// Environment variables that lead to the credentials of the service-linked role.
const (
	serviceRoleURI       = "AUTOMODE_SERVICE_ROLE_CREDENTIALS_URI"
	serviceRoleTokenFile = "AUTOMODE_SERVICE_ROLE_TOKEN_FILE"
	containerTokenFile   = "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE"
)

// Identities are the two principals that Auto Mode acts as.
type Identities struct {
	// Cluster is a session of the cluster role: it creates.
	Cluster aws.Config
	// Service is the service-linked role: it deletes and looks up. It equals Cluster where there is only one identity.
	Service aws.Config
}

// LoadIdentities reads both identities from the environment, the cluster role's by the SDK's default chain.
func LoadIdentities(ctx context.Context, region string) (Identities, error) {
	cluster, err := config.LoadDefaultConfig(ctx, config.WithRegion(region), config.WithLogger(logging.Nop{}))
	if err != nil {
		return Identities{}, fmt.Errorf("loading AWS configuration for region %q: %w", region, err)
	}
	cluster = transport.Shield(cluster)
	identities := Identities{Cluster: cluster, Service: cluster.Copy()}
	if uri := os.Getenv(serviceRoleURI); uri != "" {
		identities.Service.Credentials = aws.NewCredentialsCache(endpointcreds.New(uri, func(o *endpointcreds.Options) {
			o.AuthorizationTokenProvider = endpointcreds.TokenProviderFunc(serviceRoleToken)
		}))
	}
	return identities, nil
}

// serviceRoleToken reads the bearer token anew for each use, because it may be rotated. The token file of the cluster
// role serves both where no other is named.
func serviceRoleToken() (string, error) {
	file := os.Getenv(serviceRoleTokenFile)
	if file == "" {
		file = os.Getenv(containerTokenFile)
	}
	if file == "" {
		return "", nil
	}
	token, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading token for the service-linked role's credentials: %w", err)
	}
	return strings.TrimSpace(string(token)), nil
}
