package ec2

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/automode-dev/automode/localcloud/wire"
)

// Internal returns the handlers of the cloud's internal API by their patterns: metadata for machines, and the knobs.
func (s *Service) Internal() map[string]http.Handler {
	return map[string]http.Handler{
		"GET /_automode/machines/{id}/metadata": http.HandlerFunc(s.serveMetadata),
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
