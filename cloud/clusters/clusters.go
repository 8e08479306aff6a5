// Package clusters makes what a new Auto Mode cluster needs through the AWS APIs — a network, the two roles, the cluster —
// and takes it away again. It is what `automode up` and `automode create cluster` do, against the local cloud or AWS alike.
// Everything it makes carries the tag automode.dev/cluster=<name> and is found again by it, so that a call that was
// interrupted goes on where it stopped. It never touches what does not carry the tag.
package clusters

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	"github.com/aws/smithy-go"
	"github.com/aws/smithy-go/logging"

	"github.com/automode-dev/automode/cloud/transport"
)

// ownerTag marks what belongs to a cluster made here; its value is the cluster's name.
const ownerTag = "automode.dev/cluster"

// Endpoint says which cloud to talk to. Empty fields mean the SDK's defaults (environment, profile).
type Endpoint struct {
	URL             string // of the local cloud, "" for AWS
	Region          string
	AccessKeyID     string
	SecretAccessKey string
}

// Client makes and removes clusters on one cloud.
type Client struct {
	ec2 *ec2.Client
	iam *iam.Client
	eks *eks.Client
}

// New returns a client of the given cloud.
func New(ctx context.Context, e Endpoint) (*Client, error) {
	opts := []func(*config.LoadOptions) error{config.WithLogger(logging.Nop{})} // errors are returned; warnings would only cross the progress lines
	if e.URL != "" {
		opts = append(opts, config.WithBaseEndpoint(e.URL))
	}
	if e.Region != "" {
		opts = append(opts, config.WithRegion(e.Region))
	}
	if e.AccessKeyID != "" {
		opts = append(opts, config.WithCredentialsProvider(credentials.NewStaticCredentialsProvider(e.AccessKeyID, e.SecretAccessKey, "")))
	}
	cfg, err := config.LoadDefaultConfig(ctx, opts...)
	if err != nil {
		return nil, fmt.Errorf("loading the AWS configuration: %w", err)
	}
	cfg = transport.Shield(cfg)
	return &Client{ec2: ec2.NewFromConfig(cfg), iam: iam.NewFromConfig(cfg), eks: eks.NewFromConfig(cfg)}, nil
}

// hasCode reports whether the error is an AWS API error with one of the codes.
func hasCode(err error, codes ...string) bool {
	var api smithy.APIError
	if !errors.As(err, &api) {
		return false
	}
	for _, code := range codes {
		if api.ErrorCode() == code {
			return true
		}
	}
	return false
}

// IsAccessDenied reports whether the cloud refused the credentials or the operation.
func IsAccessDenied(err error) bool {
	return hasCode(err, "AccessDenied", "AccessDeniedException", "UnauthorizedOperation", "AuthFailure", "InvalidClientTokenId",
		"UnrecognizedClientException", "SignatureDoesNotMatch", "ExpiredToken", "InvalidSignatureException", "MissingAuthenticationToken")
}

// IsNotFound reports whether the cluster that was named does not exist.
func IsNotFound(err error) bool { return hasCode(err, "ResourceNotFoundException") }

// IsInvalid reports whether the cloud refused a value of the request.
func IsInvalid(err error) bool {
	return hasCode(err, "InvalidParameterException", "InvalidRequestException", "ResourceInUseException", "UnsupportedAvailabilityZoneException")
}

func str(s string) *string { return aws.String(s) }
