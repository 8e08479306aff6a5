package cloud

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/feature/ec2/imds"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Metadata reads the metadata of the instance that the process runs on (IMDSv2).
type Metadata struct {
	client *imds.Client
}

// NewMetadata returns a reader of the instance's metadata.
func NewMetadata() *Metadata {
	return &Metadata{imds.New(imds.Options{EnableFallback: aws.FalseTernary})}
}

// Get returns the text at a path below meta-data/. A path that does not exist is an empty text.
func (m *Metadata) Get(ctx context.Context, path string) (string, error) {
	out, err := m.client.GetMetadata(ctx, &imds.GetMetadataInput{Path: path})
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading instance metadata %q: %w", path, err)
	}
	return readAll(out.Content)
}

// UserData returns the user data that the instance was launched with; none is an empty text.
func (m *Metadata) UserData(ctx context.Context) (string, error) {
	out, err := m.client.GetUserData(ctx, &imds.GetUserDataInput{})
	if isMissing(err) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading instance user data: %w", err)
	}
	return readAll(out.Content)
}

func readAll(content io.ReadCloser) (string, error) {
	defer content.Close()
	data, err := io.ReadAll(content)
	if err != nil {
		return "", fmt.Errorf("reading instance metadata: %w", err)
	}
	return string(data), nil
}

func isMissing(err error) bool {
	var response *smithyhttp.ResponseError
	return errors.As(err, &response) && response.HTTPStatusCode() == http.StatusNotFound
}
