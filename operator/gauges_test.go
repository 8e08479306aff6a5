package operator

import (
	"testing"

	"github.com/awslabs/operatorpkg/metrics"
	"github.com/prometheus/client_golang/prometheus"
)

func TestGaugeByObjectDeletesSeriesOfOneObject(t *testing.T) {
	registry := prometheus.NewRegistry()
	g := newGaugeByObject(metrics.NewPrometheusGauge(registry, prometheus.GaugeOpts{Name: "conditions"}, []string{"namespace", "name", "type", "status"}))
	labels := func(name, kind, status string) map[string]string {
		return map[string]string{"namespace": "", "name": name, "type": kind, "status": status}
	}
	count := func(step string, want int) {
		t.Helper()
		families, err := registry.Gather()
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for _, family := range families {
			got += len(family.Metric)
		}
		if got != want {
			t.Errorf("%s: %d series, want %d", step, got, want)
		}
	}
	for _, name := range []string{"a", "b"} {
		for range 2 {
			g.Set(1, labels(name, "Ready", "True"))
			g.Set(1, labels(name, "Drifted", "False"))
		}
	}
	count("set twice", 4)
	g.DeletePartialMatch(map[string]string{"namespace": "", "name": "a", "type": "Ready", "status": "False"})
	count("no series has the labels", 4)
	g.DeletePartialMatch(map[string]string{"namespace": "", "name": "a", "type": "Ready"})
	count("one has", 3)
	g.DeletePartialMatch(map[string]string{"namespace": "", "name": "b"})
	count("the object is gone", 1)
	g.DeletePartialMatch(map[string]string{"namespace": "", "name": "a"})
	count("both are gone", 0)
	if len(g.series) != 0 {
		t.Errorf("%d objects without series are still known", len(g.series))
	}
}
