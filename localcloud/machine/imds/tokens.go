package imds

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"time"
)

// tokens issues session tokens that carry their expiry under a key of this process: nothing has to be remembered, and
// after a restart clients get a new one, as they do when theirs expires.
type tokens struct {
	key []byte
	now func() time.Time
}

func newTokens(now func() time.Time) *tokens {
	key := make([]byte, 32)
	_, _ = rand.Read(key) // never fails
	return &tokens{key: key, now: now}
}

const expiryBytes = 8

func (t *tokens) issue(ttl time.Duration) string {
	expiry := binary.BigEndian.AppendUint64(nil, uint64(t.now().Add(ttl).UnixNano()))
	return base64.URLEncoding.EncodeToString(append(expiry, t.sign(expiry)...))
}

// valid says how long a token still holds.
func (t *tokens) valid(token string) (left time.Duration, ok bool) {
	raw, err := base64.URLEncoding.DecodeString(token)
	if err != nil || len(raw) <= expiryBytes || !hmac.Equal(raw[expiryBytes:], t.sign(raw[:expiryBytes])) {
		return 0, false
	}
	left = time.Unix(0, int64(binary.BigEndian.Uint64(raw))).Sub(t.now())
	return left, left > 0
}

func (t *tokens) sign(expiry []byte) []byte {
	mac := hmac.New(sha256.New, t.key)
	mac.Write(expiry)
	return mac.Sum(nil)
}
