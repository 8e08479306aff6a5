package operator

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/ec2"
	ec2types "github.com/aws/aws-sdk-go-v2/service/ec2/types"
)

// instanceUserData is what the instance was launched with.
func instanceUserData(ctx context.Context, client *ec2.Client, id string) ([]byte, error) {
	out, err := client.DescribeInstanceAttribute(ctx, &ec2.DescribeInstanceAttributeInput{InstanceId: &id, Attribute: ec2types.InstanceAttributeNameUserData})
	if err != nil {
		return nil, fmt.Errorf("describing user data of %s: %w", id, err)
	}
	if out.UserData == nil {
		return nil, fmt.Errorf("instance %s has no user data", id)
	}
	return base64.StdEncoding.DecodeString(aws.ToString(out.UserData.Value))
}

func jsonUnmarshal(data []byte, into any) error { return json.Unmarshal(data, into) }
