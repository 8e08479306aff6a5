package ec2

import (
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/automode-dev/automode/localcloud/wire"
)

// Internal returns the handlers of the cloud's internal API by their patterns: metadata for machines, and the knobs.
func (s *Service) Internal() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /_automode/machines/{id}/metadata": http.HandlerFunc(s.serveMetadata),
		"GET /_automode/ec2/timing":             http.HandlerFunc(s.serveTiming),
		"PUT /_automode/ec2/timing":             http.HandlerFunc(s.serveSetTiming),
		"GET /_automode/ec2/shortages":          http.HandlerFunc(s.serveShortages),
		"PUT /_automode/ec2/shortages":          shortageHandler(s.SetShortage),
		"DELETE /_automode/ec2/shortages":       shortageHandler(s.ClearShortage),
		"POST /_automode/ec2/interrupt":         http.HandlerFunc(s.serveInterrupt),
	}
}

func answer(w http.ResponseWriter, v any, err error) {
	var api *wire.Error
	switch {
	case errors.Is(err, ErrNotFound):
		http.Error(w, err.Error(), http.StatusNotFound)
	case errors.As(err, &api):
		http.Error(w, api.Error(), http.StatusBadRequest)
	case err != nil:
		http.Error(w, err.Error(), http.StatusInternalServerError)
	default:
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(v) // a client that went away does not matter
	}
}

func (s *Service) serveMetadata(w http.ResponseWriter, r *http.Request) {
	doc, err := s.Metadata(r.Context(), r.PathValue("id"))
	answer(w, doc, err)
}

// timingText is Timing with durations as people write them.
type timingText struct {
	Pending      string `json:"pending"`
	Boot         string `json:"boot"`
	ShuttingDown string `json:"shuttingDown"`
	Stopping     string `json:"stopping"`
	Volume       string `json:"volume"`
	NATGateway   string `json:"natGateway"`
}

func (t *Timing) fields(text *timingText) map[*string]*time.Duration {
	return map[*string]*time.Duration{&text.Pending: &t.Pending, &text.Boot: &t.Boot, &text.ShuttingDown: &t.ShuttingDown,
		&text.Stopping: &t.Stopping, &text.Volume: &t.Volume, &text.NATGateway: &t.NATGateway}
}

func (s *Service) serveTiming(w http.ResponseWriter, _ *http.Request) {
	t, text := s.Timing(), timingText{}
	for word, d := range t.fields(&text) {
		*word = d.String()
	}
	answer(w, text, nil)
}

// serveSetTiming changes the durations that the request names.
func (s *Service) serveSetTiming(w http.ResponseWriter, r *http.Request) {
	t, text := s.Timing(), timingText{}
	if err := json.NewDecoder(r.Body).Decode(&text); err != nil {
		http.Error(w, "reading timing: "+err.Error(), http.StatusBadRequest)
		return
	}
	for word, d := range t.fields(&text) {
		if *word == "" {
			continue
		}
		parsed, err := time.ParseDuration(*word)
		if err != nil || parsed < 0 {
			http.Error(w, "reading timing: \""+*word+"\" is not a duration such as 1m30s", http.StatusBadRequest)
			return
		}
		*d = parsed
	}
	s.SetTiming(t)
	s.serveTiming(w, r)
}

func (s *Service) serveShortages(w http.ResponseWriter, r *http.Request) {
	list, err := s.Shortages(r.FormValue("region"))
	answer(w, list, err)
}

func shortageHandler(do func(Shortage) error) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var shortage Shortage
		if err := json.NewDecoder(r.Body).Decode(&shortage); err != nil {
			http.Error(w, "reading shortage: "+err.Error(), http.StatusBadRequest)
			return
		}
		answer(w, shortage, do(shortage))
	})
}

func (s *Service) serveInterrupt(w http.ResponseWriter, r *http.Request) {
	var body struct{ Region, InstanceID string }
	if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
		http.Error(w, "reading interruption: "+err.Error(), http.StatusBadRequest)
		return
	}
	answer(w, body, s.Interrupt(body.Region, body.InstanceID))
}
