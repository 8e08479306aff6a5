package eks

import (
	"context"
	"slices"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/eks"
	"github.com/aws/aws-sdk-go-v2/service/eks/types"
)

// support is EKS's calendar of a minor version.
type support struct{ released, standard, extended string }

// calendar holds the dates of the versions that this cloud may offer.
var calendar = map[string]support{
	"1.34": {"2025-10-02", "2026-12-02", "2027-12-02"},
	"1.35": {"2026-01-27", "2027-03-27", "2028-03-27"},
}

// DescribeClusterVersions lists the Kubernetes versions whose programs are
// installed.
func (s *Service) DescribeClusterVersions(ctx context.Context, in *eks.DescribeClusterVersionsInput) (*eks.DescribeClusterVersionsOutput, error) {
	if err := authorize(ctx, "DescribeClusterVersions", anyResource, nil); err != nil {
		return nil, err
	}
	byMinor := map[string]types.ClusterVersionInformation{}
	var minors []string
	for i, v := range s.o.Versions {
		info := s.versionInfo(v, i == 0)
		if wantVersion(in, &info) {
			minors = append(minors, v.Minor)
			byMinor[v.Minor] = info
		}
	}
	page, next, err := paginate(minors, in.MaxResults, in.NextToken)
	if err != nil {
		return nil, err
	}
	out := &eks.DescribeClusterVersionsOutput{NextToken: next, ClusterVersions: []types.ClusterVersionInformation{}}
	for _, m := range page {
		out.ClusterVersions = append(out.ClusterVersions, byMinor[m])
	}
	return out, nil
}

func (s *Service) versionInfo(v Version, isDefault bool) types.ClusterVersionInformation {
	info := types.ClusterVersionInformation{
		ClusterType: aws.String("eks"), ClusterVersion: aws.String(v.Minor), DefaultVersion: isDefault,
		KubernetesPatchVersion: aws.String(v.Patch), DefaultPlatformVersion: aws.String(platformVersion),
		Status: types.ClusterVersionStatusStandardSupport, VersionStatus: types.VersionStatusStandardSupport,
	}
	dates, known := calendar[v.Minor]
	if !known {
		return info
	}
	info.ReleaseDate, info.EndOfStandardSupportDate, info.EndOfExtendedSupportDate = day(dates.released), day(dates.standard), day(dates.extended)
	switch now := s.o.Clock.Now(); {
	case now.After(*info.EndOfExtendedSupportDate):
		info.Status, info.VersionStatus = types.ClusterVersionStatusUnsupported, types.VersionStatusUnsupported
	case now.After(*info.EndOfStandardSupportDate):
		info.Status, info.VersionStatus = types.ClusterVersionStatusExtendedSupport, types.VersionStatusExtendedSupport
	}
	return info
}

func wantVersion(in *eks.DescribeClusterVersionsInput, v *types.ClusterVersionInformation) bool {
	return (len(in.ClusterVersions) == 0 || slices.Contains(in.ClusterVersions, *v.ClusterVersion)) &&
		(!aws.ToBool(in.DefaultOnly) || v.DefaultVersion) &&
		(in.ClusterType == nil || *in.ClusterType == *v.ClusterType) &&
		(in.Status == "" || in.Status == v.Status) &&
		(in.VersionStatus == "" || in.VersionStatus == v.VersionStatus)
}

func day(text string) *time.Time {
	t, err := time.Parse(time.DateOnly, text)
	if err != nil {
		panic(err) // a mistake in the table above
	}
	return &t
}
