package cloud

import (
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/iam"
	iamtypes "github.com/aws/aws-sdk-go-v2/service/iam/types"

	"github.com/automode-dev/automode/compute"
)

// EnsureInstanceProfile makes an instance profile exist and hold exactly the role. It carries no tags, because the
// service-linked role may create profiles and not tag them.
func (c *Compute) EnsureInstanceProfile(ctx context.Context, name, role string) error {
	current, err := c.instanceProfile(ctx, name)
	if err != nil {
		return err
	}
	for _, held := range current.Roles {
		if aws.ToString(held.RoleName) == role {
			return nil
		}
		_, err := c.service.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &name, RoleName: held.RoleName})
		if err != nil {
			return fmt.Errorf("removing role %s from instance profile %s: %w", aws.ToString(held.RoleName), name, classify(err))
		}
	}
	if _, err := c.iam.AddRoleToInstanceProfile(ctx, &iam.AddRoleToInstanceProfileInput{InstanceProfileName: &name, RoleName: &role}); err != nil {
		return fmt.Errorf("adding role %s to instance profile %s: %w", role, name, classify(err))
	}
	return nil
}

func (c *Compute) instanceProfile(ctx context.Context, name string) (*iamtypes.InstanceProfile, error) {
	out, err := c.service.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	if err == nil {
		return out.InstanceProfile, nil
	}
	if err = classify(err); !compute.IsNotFound(err) {
		return nil, fmt.Errorf("getting instance profile %s: %w", name, err)
	}
	created, err := c.service.iam.CreateInstanceProfile(ctx, &iam.CreateInstanceProfileInput{InstanceProfileName: &name})
	if err != nil {
		return nil, fmt.Errorf("creating instance profile %s: %w", name, classify(err))
	}
	return created.InstanceProfile, nil
}

// InstanceProfileExists tells whether there is an instance profile of that name.
func (c *Compute) InstanceProfileExists(ctx context.Context, name string) (bool, error) {
	_, err := c.service.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	if err = classify(err); compute.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("getting instance profile %s: %w", name, err)
	}
	return true, nil
}

// DeleteInstanceProfile removes an instance profile with the role in it; one that is gone is fine.
func (c *Compute) DeleteInstanceProfile(ctx context.Context, name string) error {
	out, err := c.service.iam.GetInstanceProfile(ctx, &iam.GetInstanceProfileInput{InstanceProfileName: &name})
	if err = classify(err); compute.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("getting instance profile %s: %w", name, err)
	}
	for _, held := range out.InstanceProfile.Roles {
		_, err := c.service.iam.RemoveRoleFromInstanceProfile(ctx, &iam.RemoveRoleFromInstanceProfileInput{InstanceProfileName: &name, RoleName: held.RoleName})
		if err = classify(err); err != nil && !compute.IsNotFound(err) {
			return fmt.Errorf("removing role %s from instance profile %s: %w", aws.ToString(held.RoleName), name, err)
		}
	}
	_, err = c.service.iam.DeleteInstanceProfile(ctx, &iam.DeleteInstanceProfileInput{InstanceProfileName: &name})
	if err = classify(err); err != nil && !compute.IsNotFound(err) {
		return fmt.Errorf("deleting instance profile %s: %w", name, err)
	}
	return nil
}
