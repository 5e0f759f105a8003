#!/bin/bash
# How an instance comes to its release and tells its group, as written by hand: bash, curl, tar, and no safety beyond the
# checksum. One try, one app, no heartbeat, no second look at the log, no report, no way back.
set -euo pipefail
: "${ENDPOINT:?}" "${GROUP:?}" "${HOOK:?}" "${APP:?}" "${UNIT:?}" "${HEALTH:?}"
home=/srv/$APP
imds=http://169.254.169.254/latest
data=$imds/meta-data

token=$(curl -fsS -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 300' "$imds/api/token")
# One connection for all of it.
mapfile -t known < <(
    curl -fsS -w '\n' -H "X-aws-ec2-metadata-token: $token" \
        "$data/instance-id" "$data/placement/region" "$data/tags/instance/dtk:env" "$data/tags/instance/dtk:prefix" \
        "$data/tags/instance/dtk:bucket" "$data/iam/security-credentials/"
)
instance=${known[0]} region=${known[1]} env=${known[2]} prefix=${known[3]} bucket=${known[4]} profile=${known[5]}
credentials=$(curl -fsS -H "X-aws-ec2-metadata-token: $token" "$data/iam/security-credentials/$profile")
field() { [[ $1 =~ \"$2\"\ *:\ *\"([^\"]*)\" ]] && printf %s "${BASH_REMATCH[1]}"; }
key=$(field "$credentials" AccessKeyId) secret=$(field "$credentials" SecretAccessKey)
session=$(field "$credentials" Token)
aws() { curl -fsS --user "$key:$secret" -H "x-amz-security-token: $session" --aws-sigv4 "aws:amz:$region:$1" "${@:2}"; }

# The newest slot of the log.
slots=$(aws ssm -H 'Content-Type: application/x-amz-json-1.1' -H 'X-Amz-Target: AmazonSSM.GetParametersByPath' \
    -d "{\"Path\": \"$prefix/$env/$APP/deploy\"}" "$ENDPOINT/")
plain=${slots//\\/}
version=$(field "${plain##*\"Name\"}" stable)
manifest=$(aws s3 -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$ENDPOINT/$bucket/$APP/$version.json")
sha256=$(field "$manifest" sha256)

# Fetched, compared and unpacked in one go.
new=$home/releases/$version.new
rm -rf "$new"
mkdir -p "$new"
found=$(
    aws s3 -H 'x-amz-content-sha256: UNSIGNED-PAYLOAD' "$ENDPOINT/$bucket/$APP/$version.tar.gz" |
        tee >(tar -xz --no-same-owner -C "$new") | sha256sum
)
[ "${found%% *}" = "$sha256" ]
mv -T "$new" "$home/releases/$version"
ln -sfn "releases/$version" "$home/current.new"
mv -T "$home/current.new" "$home/current"

systemctl start "$UNIT"
for _ in {1..300}; do
    if [[ $(curl -fsS -m 2 "$HEALTH" || true) == *"\"release\": \"$version\""* ]]; then
        aws autoscaling -d Action=CompleteLifecycleAction -d Version=2011-01-01 -d "AutoScalingGroupName=$GROUP" \
            -d "LifecycleHookName=$HOOK" -d "InstanceId=$instance" -d LifecycleActionResult=CONTINUE "$ENDPOINT/" >/dev/null
        exit 0
    fi
    sleep 0.1
done
echo "$APP $version is not healthy" >&2
exit 1
