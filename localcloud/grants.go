package localcloud

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"fmt"
	"net/http"
	"time"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/sts"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Grant lets a process of this machine have sessions of a role, as AWS's own services have them.
type Grant struct {
	Name        string // last element of the URL
	RoleARN     string
	SessionName string
	Service     string            // the service principal that the role trusts
	Tags        map[string]string // session tags
}

// storedGrant is a grant with the bearer token that proves it.
type storedGrant struct {
	Grant
	Token string
}

// Grants serves credentials over HTTP in the form of the SDKs' container credentials provider:
// AWS_CONTAINER_CREDENTIALS_FULL_URI and AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE.
type Grants struct {
	db  *store.DB
	sts *sts.Service
}

const grantsBucket = "grants"

func newGrants(db *store.DB, s *sts.Service) *Grants { return &Grants{db: db, sts: s} }

// Put stores a grant and returns the path of its URL and its token, which stay the same when it is put again.
func (g *Grants) Put(grant Grant) (path, token string, err error) {
	err = g.db.Update(func(tx *store.Tx) error {
		old, ok, err := store.Get[storedGrant](tx, grantsBucket, grant.Name)
		if err != nil {
			return err
		}
		token = old.Token
		if !ok {
			var b [24]byte
			rand.Read(b[:])
			token = hex.EncodeToString(b[:])
		}
		return store.Put(tx, grantsBucket, grant.Name, storedGrant{grant, token})
	})
	if err != nil {
		return "", "", fmt.Errorf("storing grant %q: %w", grant.Name, err)
	}
	return "/_automode/credentials/" + grant.Name, token, nil
}

// Remove takes a grant back; sessions it gave run out within the hour. One that is not there is fine.
func (g *Grants) Remove(name string) error {
	return g.db.Update(func(tx *store.Tx) error { return store.Delete(tx, grantsBucket, name) })
}

// ServeHTTP answers GET /_automode/credentials/{name}.
func (g *Grants) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var grant storedGrant
	var ok bool
	err := g.db.View(func(tx *store.Tx) (err error) {
		grant, ok, err = store.Get[storedGrant](tx, grantsBucket, r.PathValue("name"))
		return err
	})
	if err != nil {
		writeJSON(w, http.StatusInternalServerError, map[string]string{"code": "InternalFailure", "message": err.Error()})
		return
	}
	if !ok || subtle.ConstantTimeCompare([]byte(r.Header.Get("Authorization")), []byte(grant.Token)) != 1 {
		writeJSON(w, http.StatusForbidden, map[string]string{"code": "AccessDenied", "message": "no such grant or wrong token"})
		return
	}
	creds, err := g.session(r.Context(), &grant.Grant)
	if err != nil {
		writeJSON(w, http.StatusBadRequest, map[string]string{"code": wire.Code(err), "message": wire.Message(err)})
		return
	}
	writeJSON(w, http.StatusOK, map[string]string{
		"RoleArn": grant.RoleARN, "AccessKeyId": creds.AccessKeyID, "SecretAccessKey": creds.SecretAccessKey,
		"Token": creds.SessionToken, "Expiration": creds.Expiration.Format(time.RFC3339),
	})
}

func (g *Grants) session(ctx context.Context, grant *Grant) (*sts.Credentials, error) {
	return g.sts.AssumeServiceRole(ctx, grant.RoleARN, grant.SessionName, grant.Service, grant.Tags)
}
