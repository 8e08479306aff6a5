package serve

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"
)

// StatusPath is where the local cloud tells how everything is, as a JSON list of conditions.
const StatusPath = "/_automode/status"

// Values of Condition.Status.
const (
	True  = "True"
	False = "False"
)

// Condition is one thing that should hold.
type Condition struct {
	Of      string    `json:"of"`   // "local cloud", "cluster automode"
	Type    string    `json:"type"` // Serving, Active, a process's name
	Status  string    `json:"status"`
	Message string    `json:"message,omitempty"` // what is waited for, the last problem
	Since   time.Time `json:"since,omitzero"`
}

// condition is True unless there is a problem.
func condition(of, kind, problem string, since time.Time) Condition {
	c := Condition{Of: of, Type: kind, Status: True, Since: since}
	if problem != "" {
		c.Status, c.Message = False, problem
	}
	return c
}

// serveStatus tells how the cloud and each cluster's processes are.
func (c *cloud) serveStatus(w http.ResponseWriter, r *http.Request) {
	clusters, err := c.eks.Clusters()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	all := []Condition{condition("local cloud", "Serving", "", c.started)}
	for _, cluster := range clusters {
		of, problem := "cluster "+cluster.Plane, ""
		if cluster.Status != "ACTIVE" || cluster.Problem != "" {
			problem = strings.TrimSuffix(strings.Join([]string{string(cluster.Status), cluster.Step, cluster.Detail, cluster.Problem}, ": "), ": ")
		}
		all = append(all, condition(of, "Active", problem, time.Time{}))
		all = append(all, c.planes.conditions(r.Context(), cluster.Plane)...)
		if cluster.AutoMode {
			all = append(all, c.control.condition(cluster.Plane), c.control.poolsCondition(r.Context(), cluster.Plane))
		}
	}
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(all) // a client that went away does not matter
}
