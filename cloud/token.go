package cloud

import (
	"context"
	"encoding/base64"
	"fmt"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/sts"
	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

const (
	tokenPrefix    = "k8s-aws-v1."
	clusterHeader  = "x-k8s-aws-id"
	presignSeconds = "60"
	// tokenLifetime is how long a cluster accepts a token after its request was signed; a minute is kept in hand.
	tokenLifetime = 14 * time.Minute
)

// NodeToken is the ClusterToken of the process's own identity: on a node, that of the instance's role.
func NodeToken(ctx context.Context, region, cluster string) (token string, expires time.Time, err error) {
	cfg, err := config.LoadDefaultConfig(ctx, config.WithRegion(region))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("loading AWS configuration: %w", err)
	}
	return ClusterToken(ctx, cfg, cluster)
}

// ClusterToken proves to a cluster who the caller is: a presigned STS GetCallerIdentity request bound to the cluster's
// name. It returns the token and the time until which the cluster accepts it.
func ClusterToken(ctx context.Context, cfg aws.Config, cluster string) (token string, expires time.Time, err error) {
	bind := func(stack *middleware.Stack) error {
		return stack.Build.Add(middleware.BuildMiddlewareFunc("BindToCluster",
			func(ctx context.Context, in middleware.BuildInput, next middleware.BuildHandler) (middleware.BuildOutput, middleware.Metadata, error) {
				if request, ok := in.Request.(*smithyhttp.Request); ok {
					request.Header.Set(clusterHeader, cluster)
					query := request.URL.Query()
					query.Set("X-Amz-Expires", presignSeconds)
					request.URL.RawQuery = query.Encode()
				}
				return next.HandleBuild(ctx, in)
			}), middleware.After)
	}
	signed := time.Now()
	request, err := sts.NewPresignClient(sts.NewFromConfig(cfg)).PresignGetCallerIdentity(ctx, &sts.GetCallerIdentityInput{},
		sts.WithPresignClientFromClientOptions(sts.WithAPIOptions(bind)))
	if err != nil {
		return "", time.Time{}, fmt.Errorf("signing a token for cluster %q: %w", cluster, err)
	}
	return tokenPrefix + base64.RawURLEncoding.EncodeToString([]byte(request.URL)), signed.Add(tokenLifetime), nil
}
