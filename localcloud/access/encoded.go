package access

import (
	"bytes"
	"compress/flate"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
)

// failure is what sts:DecodeAuthorizationMessage shows.
type failure struct {
	Allowed           bool           `json:"allowed"`
	ExplicitDeny      bool           `json:"explicitDeny"`
	MatchedStatements map[string]any `json:"matchedStatements"`
	Failures          map[string]any `json:"failures"`
	Context           failureContext `json:"context"`
}

type failureContext struct {
	Principal  map[string]string `json:"principal"`
	Action     string            `json:"action"`
	Resource   string            `json:"resource"`
	Conditions map[string]any    `json:"conditions"`
}

func encodeFailure(e *DeniedError) string {
	items := []map[string]any{}
	for k, values := range e.Request.Context {
		vs := []map[string]string{}
		for _, v := range values {
			vs = append(vs, map[string]string{"value": v})
		}
		items = append(items, map[string]any{"key": k, "values": map[string]any{"items": vs}})
	}
	none := map[string]any{"items": []string{}}
	doc, err := json.Marshal(failure{
		ExplicitDeny: e.Decision.Explicit, MatchedStatements: none, Failures: none,
		Context: failureContext{
			Principal: map[string]string{"id": e.Caller.UserID, "arn": e.Caller.ARN},
			Action:    e.Request.Action, Resource: e.Request.Resource, Conditions: map[string]any{"items": items},
		},
	})
	if err != nil {
		return ""
	}
	var buf bytes.Buffer
	w, _ := flate.NewWriter(&buf, flate.BestCompression)
	w.Write(doc) // into memory: neither this nor Close fails
	w.Close()
	return base64.RawURLEncoding.EncodeToString(buf.Bytes())
}

// DecodeMessage returns the JSON document of an encoded authorization failure message.
func DecodeMessage(encoded string) (string, error) {
	data, err := base64.RawURLEncoding.DecodeString(encoded)
	if err != nil {
		return "", fmt.Errorf("decoding authorization message: %w", err)
	}
	doc, err := io.ReadAll(io.LimitReader(flate.NewReader(bytes.NewReader(data)), 1<<20))
	if err != nil {
		return "", fmt.Errorf("decompressing authorization message: %w", err)
	}
	return string(doc), nil
}
