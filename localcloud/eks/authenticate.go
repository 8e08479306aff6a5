package eks

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"
	authv1 "k8s.io/api/authentication/v1"

	"github.com/automode-dev/automode/localcloud/access"
	"github.com/automode-dev/automode/localcloud/store"
)

const maxReview = 64 << 10

// serveAuthenticate answers the TokenReviews of a cluster's API server. It
// tells nobody anything who does not hold a valid token.
func (s *Service) serveAuthenticate(w http.ResponseWriter, req *http.Request) {
	var review authv1.TokenReview
	if err := json.NewDecoder(http.MaxBytesReader(w, req.Body, maxReview)).Decode(&review); err != nil {
		http.Error(w, fmt.Sprintf("reading TokenReview: %v", err), http.StatusBadRequest)
		return
	}
	plane := req.PathValue("name")
	user, err := s.authenticate(req.Context(), plane, review.Spec.Token)
	review.Spec = authv1.TokenReviewSpec{}
	review.Status = authv1.TokenReviewStatus{Authenticated: err == nil, User: user}
	if err != nil {
		review.Status.Error = err.Error()
		s.log.Info("token refused", "cluster", plane, "err", err)
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(&review)
}

// authenticate is the Kubernetes user of a token.
func (s *Service) authenticate(ctx context.Context, plane, token string) (authv1.UserInfo, error) {
	r, err := s.byPlane(plane)
	if err != nil {
		return authv1.UserInfo{}, err
	}
	url, err := tokenURL(token, s.o.Clock.Now())
	if err != nil {
		return authv1.UserInfo{}, err
	}
	caller, err := s.o.Tokens.VerifyToken(ctx, url, r.name())
	if err != nil {
		return authv1.UserInfo{}, fmt.Errorf("verifying token: %w", err)
	}
	id, err := s.identify(ctx, r, caller)
	if err != nil {
		return authv1.UserInfo{}, fmt.Errorf("mapping %s: %w", caller.ARN, err)
	}
	return userInfo(id, caller), nil
}

// identify maps a caller: access entries first, then the aws-auth ConfigMap,
// as far as the cluster's authentication mode has them.
func (s *Service) identify(ctx context.Context, r *record, c *access.Caller) (identity, error) {
	mode := authenticationMode(&r.Cluster)
	if accessEntriesOn(mode) {
		var entries []entryRecord
		err := s.db.View(func(tx *store.Tx) (err error) {
			entries, err = entriesOf(tx, r.Region, r.name())
			return err
		})
		if err != nil {
			return identity{}, err
		}
		if e, ok := findEntry(entries, c); ok {
			return s.fromEntry(ctx, e, c)
		}
	}
	if mode == types.AuthenticationModeApi {
		return identity{}, errNoEntry
	}
	return s.fromConfigMap(ctx, r, c)
}

// userInfo is the answer to the API server, with the extra fields that EKS
// gives too.
func userInfo(id identity, c *access.Caller) authv1.UserInfo {
	extra := map[string]authv1.ExtraValue{}
	for key, value := range map[string]string{
		"arn": c.ARN, "canonicalArn": canonical(principal(c)), "principalId": c.UserID,
		"sessionName": c.SessionName, "accessKeyId": c.AccessKeyID,
	} {
		extra[key] = authv1.ExtraValue{value}
	}
	return authv1.UserInfo{
		Username: id.username, Groups: id.groups, Extra: extra,
		UID: "aws-iam-authenticator:" + c.Account + ":" + c.UserID,
	}
}
