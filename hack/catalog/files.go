package main

import (
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sort"
	"strings"

	ec2 "github.com/aws/aws-sdk-go-v2/service/ec2/types"

	"github.com/automode-dev/automode/compute/catalog"
	"github.com/automode-dev/automode/compute/catalog/ec2form"
)

// files is a catalog.Source over files.
type files struct {
	day          string
	offeringsDir string
	types        []catalog.Type
	onDemand     map[string]map[string]float64
	spot         map[string]map[string]float64
}

func (f *files) Day() string { return f.day }

func (f *files) Types(context.Context, string) ([]catalog.Type, error) { return f.types, nil }

func (f *files) OnDemand(_ context.Context, region string) (map[string]float64, error) {
	return f.onDemand[region], nil
}

func (f *files) Spot(_ context.Context, region string) (map[string]float64, error) {
	return f.spot[region], nil
}

// Regions finds the regions by their files, and which zone name is which zone
// id by the sets of types that both lists give: places differ in what they sell.
func (f *files) Regions(context.Context) ([]catalog.Region, error) {
	names, err := filepath.Glob(filepath.Join(f.offeringsDir, "availability-zone", "*.json.gz"))
	if err != nil || len(names) == 0 {
		return nil, fmt.Errorf("listing offerings in %s: %d files, %v", f.offeringsDir, len(names), err)
	}
	var regions []catalog.Region
	for _, path := range names {
		name := strings.TrimSuffix(filepath.Base(path), ".json.gz")
		byName, err := f.sold("availability-zone", name)
		if err != nil {
			return nil, err
		}
		byID, err := f.sold("availability-zone-id", name)
		if err != nil {
			return nil, err
		}
		region := catalog.Region{Name: name}
		taken := map[string]bool{}
		for _, zone := range keys(byName) {
			for _, id := range keys(byID) {
				if !taken[id] && slices.Equal(byName[zone], byID[id]) {
					taken[id] = true
					region.Zones = append(region.Zones, catalog.Zone{Name: zone, ID: id, Region: name})
					break
				}
			}
		}
		if len(region.Zones) != len(byName) {
			return nil, fmt.Errorf("region %s: %d zones by name, %d matched by id", name, len(byName), len(region.Zones))
		}
		regions = append(regions, region)
	}
	return regions, nil
}

func (f *files) Offerings(_ context.Context, region string) (map[string][]string, error) {
	byID, err := f.sold("availability-zone-id", region)
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, id := range keys(byID) {
		for _, t := range byID[id] {
			out[t] = append(out[t], id)
		}
	}
	return out, nil
}

// sold maps a location to the sorted types offered there.
func (f *files) sold(kind, region string) (map[string][]string, error) {
	var rows []struct{ InstanceType, Location string }
	if err := readJSON(filepath.Join(f.offeringsDir, kind, region+".json.gz"), &rows); err != nil {
		return nil, err
	}
	out := map[string][]string{}
	for _, r := range rows {
		out[r.Location] = append(out[r.Location], r.InstanceType)
	}
	for _, list := range out {
		slices.Sort(list)
	}
	return out, nil
}

func (f *files) loadTypes(path string) error {
	var infos map[string]ec2.InstanceTypeInfo
	if err := readJSON(path, &infos); err != nil {
		return err
	}
	for _, name := range keys(infos) {
		f.types = append(f.types, ec2form.From(infos[name]))
	}
	return nil
}

func readJSON(path string, into any) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	var r io.Reader = file
	if strings.HasSuffix(path, ".gz") {
		if r, err = gzip.NewReader(file); err != nil {
			return fmt.Errorf("reading %s: %w", path, err)
		}
	}
	if err := json.NewDecoder(r).Decode(into); err != nil {
		return fmt.Errorf("reading %s: %w", path, err)
	}
	return nil
}

func keys[V any](m map[string]V) []string {
	out := make([]string, 0, len(m))
	for k := range m {
		out = append(out, k)
	}
	sort.Strings(out)
	return out
}
