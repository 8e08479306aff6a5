package v1alpha1

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"strings"

	"sigs.k8s.io/yaml"
)

// ErrNoNodeConfig says that user data holds no NodeConfig.
var ErrNoNodeConfig = errors.New("user data holds no NodeConfig (" + APIVersion + ")")

// Marshal prints the configuration as the user data of an instance: one YAML document.
func (c NodeConfig) Marshal() ([]byte, error) {
	c.APIVersion, c.Kind = APIVersion, Kind
	out, err := yaml.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("printing node configuration: %w", err)
	}
	return out, nil
}

// ParseUserData finds the NodeConfig in user data: the plain document, or the first part of media type
// application/node.eks.aws in a MIME multipart message. ErrNoNodeConfig when there is none.
func ParseUserData(data []byte) (NodeConfig, error) {
	if config, ok, err := parseMultipart(data); ok || err != nil {
		return config, err
	}
	return parseDocument(data)
}

func parseDocument(data []byte) (NodeConfig, error) {
	var config NodeConfig
	if err := yaml.Unmarshal(data, &config); err != nil {
		return NodeConfig{}, fmt.Errorf("reading node configuration: %w", err)
	}
	if config.APIVersion != APIVersion || config.Kind != Kind {
		return NodeConfig{}, ErrNoNodeConfig
	}
	return config, nil
}

// parseMultipart reports ok=false when the data is no multipart message at all.
func parseMultipart(data []byte) (NodeConfig, bool, error) {
	message, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return NodeConfig{}, false, nil
	}
	media, params, err := mime.ParseMediaType(message.Header.Get("Content-Type"))
	if err != nil || !strings.HasPrefix(media, "multipart/") {
		return NodeConfig{}, false, nil
	}
	reader := multipart.NewReader(message.Body, params["boundary"])
	for {
		part, err := reader.NextPart()
		if errors.Is(err, io.EOF) {
			return NodeConfig{}, true, ErrNoNodeConfig
		}
		if err != nil {
			return NodeConfig{}, true, fmt.Errorf("reading multipart user data: %w", err)
		}
		if media, _, _ := mime.ParseMediaType(part.Header.Get("Content-Type")); media != MediaType {
			continue
		}
		body, err := io.ReadAll(part)
		if err != nil {
			return NodeConfig{}, true, fmt.Errorf("reading part %s of user data: %w", MediaType, err)
		}
		config, err := parseDocument(body)
		return config, true, err
	}
}
