package localcloud

import (
	"encoding/json"
	"net/http"

	"k8s.io/utils/clock"

	"github.com/automode-dev/automode/localcloud/store"
	"github.com/automode-dev/automode/localcloud/wire"
)

// Control is the cloud's knobs for speed and failure.
type Control struct {
	db    *store.DB
	clock clock.PassiveClock
}

func newControl(db *store.DB, c clock.PassiveClock) (*Control, error) {
	return &Control{db: db, clock: c}, nil
}

func (c *Control) middleware() []wire.Middleware { return nil }

func (c *Control) register(s *Server) {
	s.HandlePublic("GET /_automode/health", http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		writeJSON(w, http.StatusOK, map[string]string{"status": "ok", "account": s.opts.Account, "region": s.opts.Region})
	}))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // a client that has gone does not matter
}
