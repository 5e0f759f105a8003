#!/usr/bin/python
# Copyright (c) 2026, the Deploy Toolkit authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
module: image_pipeline
version_added: 0.3.0
short_description: Everything of EC2 Image Builder that makes one golden image, as one declaration
description:
  - Brings a component, an image recipe, an infrastructure configuration, a distribution configuration, an image
    pipeline and, if wanted, a lifecycle policy to what is declared. They all have the same O(name).
  - The version of the recipe follows from the content of the image, that is the component's text and parameters, the
    bundle, the AMI that O(parent_image) means at that moment, and the rest of the recipe. It is
    C(1.<30 bits>.<30 bits>) of the content's SHA-256. So the same content is the same version on every controller,
    other content is another version, and to go back to an old content is to find its image again. The version of the
    component follows from its text alone.
  - Versions say nothing about order. Do not refer to them with wildcards like C(x.x.x).
  - A new version is made before the pipeline is moved to it, and nothing is deleted on the way. A run that failed or
    was killed is continued by running it again; two controllers that do so at once do no harm.
  - Image Builder replaces a configuration as a whole when it is updated. Settings that this module does not know, for
    instance a placement or an image scan that somebody made by hand, are read before and sent along, so they stay.
  - Nothing is built; that does M(sysops.dtk.image_build).
author:
  - Deploy Toolkit authors (@sysops)
options:
  name:
    description:
      - Name of the pipeline and of all resources that belong to it.
      - 3 to 126 of C(a-z), C(0-9) and C(-), since Image Builder takes names that differ in case, spaces or underscores
        for the same.
    type: str
    required: true
  state:
    description:
      - V(present) brings everything to what is declared. It needs O(component), O(parent_image) and O(infrastructure).
      - V(pruned) deletes versions of recipe and component that are of no more use, see O(keep).
      - V(absent) deletes the pipeline, the lifecycle policy, all recipes and components of the name that this module
        made, and both configurations, in this order. Images and AMIs stay and are named in RV(images).
      - With V(pruned) and V(absent), what something else still needs stays and is told in RV(kept), which is no error.
    type: str
    choices: [present, absent, pruned]
    default: present
  component:
    description: The component that is made, for Linux. It is the first one of the recipe.
    type: dict
    suboptions:
      data:
        description:
          - Text of the component's document, in YAML, as Image Builder's C(AWSTOE) runs it.
          - At most 16,000 characters.
        type: str
        required: true
      parameters:
        description:
          - Values of the parameters that the document declares, a text or a list of texts each. They are part of the
            recipe, so another value makes another recipe and leaves the component as it is.
          - They can be read by everybody who may read recipes, and are in CloudTrail. Never put a secret into one.
        type: dict
        default: {}
      description:
        description: What the component does. Only a new version of it gets it.
        type: str
  parent_image:
    description:
      - The image to begin with, as the id of an AMI (V(ami-0123456789abcdef0)), as a parameter of Parameter Store that
        holds one (V(ssm:/aws/service/debian/release/12/latest/amd64)), or as the ARN of an image of Image Builder,
        which may have wildcards.
      - It is resolved to the id of an AMI in the region of the run, and this id goes into the recipe. So a newer base
        image makes a new content at the next run of this module, and never by itself.
      - One that is not there, not available, or not to be seen by the account is an error that names it.
    type: str
  bundle:
    description: A file in S3 that the component fetches. Its hash is part of the content.
    type: dict
    suboptions:
      uri:
        description: Where it is, as C(s3://<bucket>/<key>). The component gets it only through its own parameters.
        type: str
        required: true
      sha256:
        description: Its SHA-256, as 64 hexadecimal digits.
        type: str
        required: true
      owner:
        description: The account that owns the bucket, 12 digits.
        type: str
  components:
    description: Further components. They run after O(component), in this order.
    type: list
    elements: dict
    default: []
    suboptions:
      arn:
        description: ARN with a version, which may have wildcards, of a component of any owner. Each component once.
        type: str
        required: true
      parameters:
        description: Values of its parameters.
        type: dict
        default: {}
  block_devices:
    description: Volumes of the image. What is not given here is as in the parent image.
    type: list
    elements: dict
    default: []
    suboptions:
      device_name:
        description: Name of the device, for instance V(/dev/xvda) for the root volume of many images.
        type: str
        required: true
      ebs:
        description: The volume.
        type: dict
        required: true
        suboptions:
          volume_size:
            description: GiB, 1 to 16000.
            type: int
          volume_type:
            description: Kind of the volume.
            type: str
            choices: [gp3, gp2, io1, io2, st1, sc1, standard]
            default: gp3
          encrypted:
            description: Whether it is encrypted. It is if there is a O(block_devices[].ebs.kms_key).
            type: bool
          kms_key:
            description: ARN of the KMS key, or of an alias.
            type: str
          iops:
            description: I/O operations a second, 100 to 64000.
            type: int
          throughput:
            description: MiB a second, 125 to 1000. For V(gp3).
            type: int
          snapshot_id:
            description: The snapshot that the volume is made from.
            type: str
          delete_on_termination:
            description: Whether the volume goes with its instance.
            type: bool
            default: true
  working_directory:
    description: Where components run. Image Builder takes C(/tmp) by default.
    type: str
  user_data:
    description:
      - Script that the build instance runs when it starts, as plain text. As base64 it may have 21,847 characters.
      - It replaces the one that Image Builder would give, so it has to install the SSM agent if the parent image has
        none.
    type: str
  ami_tags:
    description:
      - Tags of the AMIs in all regions and accounts.
      - They are no part of the content, so other tags are those of the next image and build none by themselves.
    type: dict
    default: {}
  infrastructure:
    description:
      - Where images are built and tested. Instances answer to IMDSv2 only.
    type: dict
    suboptions:
      instance_profile:
        description: Name of the instance profile of build and test instances.
        type: str
        required: true
      instance_types:
        description: Instance types, of which Image Builder takes one that is to be had. By default it chooses.
        type: list
        elements: str
        default: []
      subnet:
        description: The subnet. With it, O(infrastructure.security_groups) are needed, too.
        type: str
      security_groups:
        description: Ids of security groups.
        type: list
        elements: str
        default: []
      key_pair:
        description: Name of a key pair, to log in to an instance that is kept after a failure.
        type: str
      terminate_on_failure:
        description: Whether the instance of a failed build is terminated.
        type: bool
        default: true
      hop_limit:
        description: How many hops an answer of the instance metadata service may take, 1 to 64.
        type: int
        default: 1
      logs:
        description: Where logs of builds go, besides CloudWatch Logs.
        type: dict
        suboptions:
          bucket:
            description: The S3 bucket.
            type: str
            required: true
          prefix:
            description: Where in the bucket.
            type: str
      sns_topic:
        description: ARN of the standard topic that gets a message when a build ends.
        type: str
      resource_tags:
        description: Tags of the build and test instances, 30 at most, without C(Name) and C(CreatedBy).
        type: dict
        default: {}
  distribution:
    description: Which regions and accounts get the image. By default the region and account of the run.
    type: list
    elements: dict
    default: []
    suboptions:
      region:
        description: The region, each one once.
        type: str
        required: true
      accounts:
        description:
          - Accounts that get copies of their own, 12 digits each. By default the account of the run.
          - Each needs the role C(EC2ImageBuilderDistributionCrossAccountRole).
        type: list
        elements: str
        default: []
      kms_key:
        description: ARN of the KMS key, or of its alias, that encrypts the image there.
        type: str
      launch_permission:
        description:
          - Who else may launch instances from it. Other permissions are removed. To make an AMI public is not offered,
            and undone where it is set.
        type: dict
        suboptions:
          accounts:
            description: Accounts, 12 digits each.
            type: list
            elements: str
            default: []
          organizations:
            description: ARNs of organizations.
            type: list
            elements: str
            default: []
          organizational_units:
            description: ARNs of organizational units.
            type: list
            elements: str
            default: []
      ami_name:
        description: Name of the AMI, to which the time of the build is added. O(name) by default.
        type: str
      ami_tags:
        description: Tags of the AMIs there. They win over O(ami_tags).
        type: dict
        default: {}
      ssm_parameters:
        description:
          - Parameters of Parameter Store that Image Builder sets to the AMI of each build. M(sysops.dtk.image_promote)
            sets parameters, too, but when you say so. Do not let both have the same one.
          - Needs a botocore that knows C(ssmParameterConfigurations) of Image Builder.
        type: list
        elements: dict
        default: []
        suboptions:
          name:
            description: Name of the parameter.
            type: str
            required: true
          account:
            description: The account that it is in, one of O(distribution[].accounts).
            type: str
          data_type:
            description: V(aws:ec2:image) lets AWS check that it is an AMI.
            type: str
            choices: ["aws:ec2:image", text]
            default: aws:ec2:image
      launch_templates:
        description: Launch templates that get a new version with the AMI of each build.
        type: list
        elements: dict
        default: []
        suboptions:
          id:
            description: Id of the launch template.
            type: str
            required: true
          account:
            description: The account that it is in.
            type: str
          set_default:
            description: Whether the new version becomes the default one, so that instances start from it untried.
            type: bool
            default: false
  tests:
    description: Tests on an instance of the new image, before it is distributed.
    type: dict
    suboptions:
      enabled:
        description: Whether the C(test) phases of components run.
        type: bool
        default: true
      minutes:
        description: Time limit, 60 to 1440. Image Builder stores it and, as AWS documents, ignores it as of 2026.
        type: int
        default: 60
  schedule:
    description: When Image Builder builds by itself. By default never.
    type: dict
    suboptions:
      cron:
        description:
          - An expression as Image Builder takes it, for instance V(cron(0 4 ? * MON *\)) or V(rate(7 days\)). The word
            C(cron) and its parentheses may be left out.
        type: str
        required: true
      timezone:
        description: Name of the time zone of the IANA.
        type: str
        default: UTC
      when:
        description:
          - V(always) builds each time.
          - V(changes) builds only if a component or parent image that is named with wildcards has a newer version. The
            parent image and O(component) never are, so this makes sense only with O(components).
        type: str
        choices: [always, changes]
        default: always
  lifecycle:
    description:
      - Let Image Builder delete old images of this pipeline, with their AMIs and snapshots in all regions and accounts.
        Images are chosen by a tag, so those of every version of the recipe are meant.
      - Without it, a policy that this module made before is deleted.
    type: dict
    suboptions:
      role:
        description: Name or ARN of the IAM role that deletes.
        type: str
        required: true
      keep:
        description: How many images to keep, the newest. 1 to 1000, with O(lifecycle.unused_days) 10 at most.
        type: int
        default: 5
      unused_days:
        description:
          - Delete only images that are older than so many days, 1 to 365, and from whose AMIs no instance was launched
            for so long.
          - Image Builder does not spare an AMI of which AWS recorded no launch at all.
        type: int
      keep_tags:
        description:
          - Images and AMIs with one of these tags are never deleted. M(sysops.dtk.image_promote) puts the default one
            onto what is in use.
        type: dict
        default: {"dtk:in-use": "true"}
  execution_role:
    description: Name or ARN of the IAM role that Image Builder works with, instead of its service-linked role.
    type: str
  enabled:
    description:
      - Whether O(schedule) is followed. Builds that are started by hand do not depend on it.
      - Image Builder disables a pipeline by itself after several scheduled builds in a row failed; the next run of this
        module enables it again and says so.
    type: bool
    default: true
  tags:
    description:
      - Tags of all resources. Other tags are removed, but for those that begin with C(aws:).
      - C(dtk:pipeline) is added, and C(dtk:content-sha256) and C(dtk:bundle-sha256) to the recipe.
    type: dict
    default: {}
  keep:
    description:
      - With O(state=pruned), how many recipes to keep, the newest of those that an image was made of. The one that the
        pipeline builds, and those of which an image is being built, are kept besides. Components go with the last
        recipe that uses them.
      - Recipes of which no image was ever begun, and components without a recipe, were left by runs that came to
        nothing, and are deleted.
      - Do not prune while another run works on the same name.
    type: int
    default: 5
notes:
  - "For O(state=present) it needs the following IAM actions: C(imagebuilder:) C(GetComponent), C(CreateComponent),
    C(GetImageRecipe), C(CreateImageRecipe), C(GetInfrastructureConfiguration), C(CreateInfrastructureConfiguration),
    C(UpdateInfrastructureConfiguration), C(GetDistributionConfiguration), C(CreateDistributionConfiguration),
    C(UpdateDistributionConfiguration), C(GetImagePipeline), C(CreateImagePipeline), C(UpdateImagePipeline),
    C(GetLifecyclePolicy), C(CreateLifecyclePolicy), C(UpdateLifecyclePolicy), C(DeleteLifecyclePolicy), C(GetImage),
    C(TagResource), C(UntagResource); C(ec2:DescribeImages); C(ssm:GetParameter) for a parent image of Parameter Store;
    C(iam:PassRole) for the roles of O(infrastructure.instance_profile), O(lifecycle.role) and O(execution_role);
    C(iam:CreateServiceLinkedRole) for the first pipeline of an account."
  - "For O(state=pruned) and O(state=absent): C(imagebuilder:) C(GetImagePipeline), C(GetImageRecipe),
    C(ListImageRecipes), C(ListComponents), C(ListComponentBuildVersions), C(ListImages), C(ListImageBuildVersions),
    C(DeleteImageRecipe), C(DeleteComponent); for O(state=absent) also the C(Get) and C(Delete) actions of the pipeline,
    the lifecycle policy and both configurations."
  - C(sts:GetCallerIdentity) is used, for which no permission is needed.
  - A resource of the same name that something else made is taken over by O(state=present). It is not deleted by the
    other states unless it was.
seealso:
  - module: sysops.dtk.image_build
  - module: sysops.dtk.image_info
  - module: sysops.dtk.image_promote
  - name: What Image Builder's components can do
    description: The reference of component documents in AWS's user guide.
    link: https://docs.aws.amazon.com/imagebuilder/latest/userguide/toe-use-documents.html
extends_documentation_fragment:
  - amazon.aws.common.modules
  - amazon.aws.region.modules
  - amazon.aws.boto3
attributes:
  check_mode:
    description: Reads everything, plans the same steps, and writes nothing.
    support: full
  diff_mode:
    description: Shows each resource that changes before and after. A new version is compared with the one before.
    support: full
"""

EXAMPLES = r"""
- name: An image with nginx on the newest Debian 12, made again whenever Debian has a newer one
  sysops.dtk.image_pipeline:
    name: web
    parent_image: ssm:/aws/service/debian/release/12/latest/amd64
    component:
      data: "{{ lookup('ansible.builtin.file', 'files/web.component.yml') }}"
    infrastructure:
      instance_profile: image-builder
      instance_types: [t3.medium]

- name: The same for two regions and another account, encrypted, with a policy that deletes old images
  sysops.dtk.image_pipeline:
    name: web
    parent_image: ssm:/aws/service/debian/release/12/latest/amd64
    component:
      data: "{{ lookup('ansible.builtin.file', 'files/web.component.yml') }}"
      parameters:
        NginxVersion: "1.26"
    block_devices:
      - device_name: /dev/xvda
        ebs: {volume_size: 16, encrypted: true}
    infrastructure:
      instance_profile: image-builder
      instance_types: [t3.medium, t3a.medium]
      subnet: subnet-0123456789abcdef0
      security_groups: [sg-0123456789abcdef0]
      logs: {bucket: example-logs, prefix: images}
    distribution:
      - region: eu-west-1
        accounts: ["111111111111", "222222222222"]
      - region: eu-central-1
        kms_key: arn:aws:kms:eu-central-1:111111111111:alias/images
    schedule:
      cron: 0 4 ? * MON *
      timezone: Europe/Madrid
    lifecycle:
      role: image-lifecycle
      keep: 10
      unused_days: 90
    tags: {team: platform}
  register: web

- name: Build it, if this content has no image
  sysops.dtk.image_build:
    name: web
    recipe_arn: "{{ web.recipe.arn }}"

- name: Delete versions that nothing needs any more
  sysops.dtk.image_pipeline:
    name: web
    state: pruned
    keep: 5

- name: Delete it all, but for images and AMIs
  sysops.dtk.image_pipeline:
    name: web
    state: absent
"""

RETURN = r"""
pipeline:
  description: The pipeline.
  returned: success with O(state=present)
  type: dict
  contains:
    arn:
      description: Its ARN.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-pipeline/web
    name:
      description: Its name.
      type: str
      sample: web
    enabled:
      description: Whether its schedule is followed.
      type: bool
      sample: true
    recipe_arn:
      description: The recipe that it builds.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-recipe/web/1.401938482.911373929
    schedule:
      description: When it builds by itself, null for never.
      type: str
      sample: cron(0 4 ? * MON *)
component:
  description: ARN, without a build number, and version of the component.
  returned: success with O(state=present)
  type: dict
  sample:
    arn: arn:aws:imagebuilder:eu-west-1:111111111111:component/web/1.83920192.120398123
    version: 1.83920192.120398123
recipe:
  description: ARN and version of the recipe. Give the ARN to M(sysops.dtk.image_build), to build this very content.
  returned: success with O(state=present)
  type: dict
  sample:
    arn: arn:aws:imagebuilder:eu-west-1:111111111111:image-recipe/web/1.401938482.911373929
    version: 1.401938482.911373929
infrastructure_arn:
  description: ARN of the infrastructure configuration.
  returned: success with O(state=present)
  type: str
  sample: arn:aws:imagebuilder:eu-west-1:111111111111:infrastructure-configuration/web
distribution_arn:
  description: ARN of the distribution configuration.
  returned: success with O(state=present)
  type: str
  sample: arn:aws:imagebuilder:eu-west-1:111111111111:distribution-configuration/web
lifecycle_arn:
  description: ARN of the lifecycle policy, null without one.
  returned: success with O(state=present)
  type: str
  sample: null
parent_image_id:
  description: The AMI that O(parent_image) means now.
  returned: success with O(state=present)
  type: str
  sample: ami-0123456789abcdef0
version:
  description: The version of the content, which recipe and image have.
  returned: success with O(state=present)
  type: str
  sample: 1.401938482.911373929
content_sha256:
  description: The SHA-256 of the content.
  returned: success with O(state=present)
  type: str
  sample: 5feceb66ffc86f38d952786c6d696c79c2dbc239dd4e91b46729d73a27fb57e9
image:
  description: The newest available image of this content, as RV(sysops.dtk.image_build#module:image), or null.
  returned: success with O(state=present)
  type: dict
  sample: null
steps:
  description:
    - What was done, in this order; in check mode what would be. After a failure, what was done before it.
  returned: success, and after a failure if something was done
  type: list
  elements: dict
  contains:
    action:
      description: C(create), C(update), C(tag), C(untag) or C(delete).
      type: str
      sample: update
    kind:
      description: C(component), C(recipe), C(infrastructure), C(distribution), C(pipeline) or C(lifecycle).
      type: str
      sample: pipeline
    arn:
      description: Its ARN.
      type: str
      sample: arn:aws:imagebuilder:eu-west-1:111111111111:image-pipeline/web
    changes:
      description: What was not as it should be, by Image Builder's names, or the keys of tags.
      type: list
      elements: str
      returned: but for C(create) and C(delete)
      sample: [imageRecipeArn]
kept:
  description: What could not be deleted, each with its C(arn) and the C(reason).
  returned: success
  type: list
  elements: dict
  sample: []
images:
  description: The images of this name, which stay, newest first, as RV(sysops.dtk.image_build#module:image).
  returned: success with O(state=absent)
  type: list
  elements: dict
  sample: []
"""

from ansible_collections.amazon.aws.plugins.module_utils.modules import AnsibleAWSModule
from ansible_collections.sysops.dtk.plugins.module_utils import clients, images


def main() -> None:
    module = AnsibleAWSModule(
        argument_spec=images.PIPELINE_OPTIONS,
        required_if=images.PIPELINE_REQUIRED_IF,
        supports_check_mode=True,
    )
    answer = images.answer_pipeline(
        module.params, lambda service: clients.client(module, service), clients.now, module.check_mode
    )
    (module.fail_json if answer.get("failed") else module.exit_json)(**answer)


if __name__ == "__main__":
    main()
