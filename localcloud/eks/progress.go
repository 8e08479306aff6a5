package eks

import (
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/service/eks/types"

	"github.com/automode-dev/automode/localcloud/store"
)

// Progress says how far the loop of a cluster is. It is for people and the
// command line; nothing is decided by it.
type Progress struct {
	Cluster string `json:"cluster"`
	Region  string `json:"region"`
	// Plane is the name of the cluster's control plane.
	Plane  string              `json:"plane"`
	Status types.ClusterStatus `json:"status"`
	// AutoMode says whether Auto Mode is on, or shall be.
	AutoMode bool `json:"autoMode"`
	// Step is what runs now, Detail what it waits for; both are empty when the
	// last pass was complete.
	Step   string    `json:"step,omitempty"`
	Detail string    `json:"detail,omitempty"`
	Since  time.Time `json:"since,omitzero"`
	// Problem is why the last pass did not complete.
	Problem string `json:"problem,omitempty"`
	// Done are the completed steps of this pass with their durations.
	Done []StepDone `json:"done,omitempty"`
}

// StepDone is one completed step.
type StepDone struct {
	Step    string  `json:"step"`
	Seconds float64 `json:"seconds"`
}

func (l *loop) begin(step string, now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if step == converge[0].name || step == dismantle[0].name {
		l.at.Done, l.at.Step = nil, ""
	}
	l.finish(now)
	l.at.Step, l.at.Detail, l.at.Since = step, "", now
}

// finish books the running step as done.
func (l *loop) finish(now time.Time) {
	if l.at.Step != "" {
		l.at.Done = append(l.at.Done, StepDone{l.at.Step, now.Sub(l.at.Since).Seconds()})
	}
}

// detail is told by the running step what it does.
func (l *loop) detail(text string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at.Detail = text
}

func (l *loop) failed(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.at.Problem = err.Error()
}

func (l *loop) done(now time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.finish(now)
	l.at.Step, l.at.Detail, l.at.Problem, l.at.Since = "", "", "", now
}

// progress is a copy of what the loop of a cluster has told.
func (s *Service) progress(r *record) Progress {
	s.mu.Lock()
	l := s.loops[r.key()]
	s.mu.Unlock()
	var p Progress
	if l != nil {
		l.mu.Lock()
		p = l.at
		p.Done = append([]StepDone(nil), l.at.Done...)
		l.mu.Unlock()
	}
	p.Plane = r.plane(s.o.Region)
	p.Cluster, p.Region, p.Status, p.AutoMode = r.name(), r.Region, r.Cluster.Status, autoModeOn(&r.Cluster)
	return p
}

// Clusters tells of all clusters, ordered by region and name.
func (s *Service) Clusters() ([]Progress, error) {
	var records []record
	err := s.db.View(func(tx *store.Tx) (err error) {
		records, err = store.List[record](tx, bucketClusters)
		return err
	})
	all := make([]Progress, 0, len(records))
	for _, r := range records {
		all = append(all, s.progress(&r))
	}
	return all, err
}

// serveClusters answers GET /_automode/clusters.
func (s *Service) serveClusters(w http.ResponseWriter, _ *http.Request) {
	all, err := s.Clusters()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(all)
}

// serveProgress answers GET /_automode/clusters/{name}.
func (s *Service) serveProgress(w http.ResponseWriter, req *http.Request) {
	r, err := s.byPlane(req.PathValue("name"))
	if err != nil {
		http.Error(w, err.Error(), http.StatusNotFound)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(s.progress(r))
}

// byPlane finds the cluster whose control plane has the name.
func (s *Service) byPlane(plane string) (*record, error) {
	name, region, ok := strings.Cut(plane, ".")
	if !ok {
		region = s.o.Region
	}
	var r *record
	err := s.db.View(func(tx *store.Tx) (err error) {
		r, err = getCluster(tx, region, name)
		return err
	})
	return r, err
}
