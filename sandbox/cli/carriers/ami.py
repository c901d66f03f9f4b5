"""`sandbox ami launch|list|terminate`: the sandbox on AWS, reached through SSH only."""

from __future__ import annotations

import ipaddress
import os
import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from ..errors import CommandError

NAME = "bigdl-sandbox"
TAG = {"Key": "Project", "Value": NAME}
ROOT_DEVICE = "/dev/xvda"
MAX_USER_DATA = 16384
# On an instance: the group made for it, which AWS itself forgets when the instance ends.
GROUP = "SecurityGroup"
ENDED = ("shutting-down", "terminated")


@contextmanager
def aws_errors() -> Iterator[None]:
    """Turn what AWS refuses into errors with a cure."""
    try:
        from botocore import exceptions as wrong
        from botocore.parsers import ResponseParserError
    except ImportError:
        raise CommandError("boto3 is not installed.", "pip install 'boto3>=1.35'") from None
    try:
        yield
    except (wrong.NoCredentialsError, wrong.PartialCredentialsError):
        raise CommandError(
            "there are no AWS credentials here.",
            "aws configure, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        ) from None
    except wrong.ProfileNotFound as error:
        raise CommandError(
            f"{error}.", "aws configure --profile NAME, or unset AWS_PROFILE."
        ) from None
    except wrong.NoRegionError:
        raise CommandError("no AWS region is set.", "Give --region, or set AWS_REGION.") from None
    except (wrong.SSOError, wrong.TokenRetrievalError) as error:
        raise CommandError(f"{error}", "Log in again: aws sso login.") from None
    except wrong.WaiterError as error:
        raise CommandError(
            f"AWS did not finish: {_reason(error)}", "sandbox ami list   shows the state."
        ) from None
    except wrong.ClientError as error:
        raise CommandError(*explain(error)) from None
    except (wrong.BotoCoreError, ResponseParserError) as error:
        raise CommandError(
            f"AWS does not answer: {str(error)[:300]}",
            "Is the region written rightly (us-east-1)? A network? A proxy?",
        ) from None


def _reason(error: Any) -> str:
    """Give what AWS says of a machine that did not start, else the waiter's own words."""
    groups = (error.last_response or {}).get("Reservations", [])
    said = [one.get("StateReason", {}).get("Message") for g in groups for one in g["Instances"]]
    return next(filter(None, said), str(error))


def explain(error: Any) -> tuple[str, str]:
    """Give (problem, cure) of a refusal."""
    code = error.response["Error"]["Code"]
    message = error.response["Error"]["Message"]
    cures = {
        "AuthFailure": "The credentials are wrong or old: aws configure.",
        "InvalidClientTokenId": "The credentials are wrong or old: aws configure.",
        "SignatureDoesNotMatch": "The secret key is wrong: aws configure.",
        "ExpiredToken": "Log in again: aws sso login.",
        "RequestExpired": "Is this machine's clock right?",
        "UnauthorizedOperation": "These credentials may not do that: ask for the EC2 permissions.",
        "OptInRequired": "This account has not enabled that region.",
        "InvalidKeyPair.NotFound": "aws ec2 describe-key-pairs   lists those of this region.",
        "InvalidAMIID.NotFound": "sandbox ami list   lists those there are (in this region).",
        "InvalidAMIID.Malformed": "sandbox ami list   lists those there are (in this region).",
        "InvalidSubnetID.NotFound": "aws ec2 describe-subnets   lists those of this region.",
        "VPCIdNotSpecified": "This account has no default network here: give --subnet.",
        "InvalidBlockDeviceMapping": "The image needs a larger disk: give a larger --disk.",
        "Unsupported": "Try another --type or region.",
        "RequestLimitExceeded": "AWS is being asked too often: try again in a minute.",
        "InstanceLimitExceeded": "Ask AWS for a higher limit, or terminate something.",
        "VcpuLimitExceeded": "Ask AWS for a higher limit, or terminate something.",
        "InsufficientInstanceCapacity": "Try another --type or region.",
    }
    return f"AWS refused ({code}): {message}", cures.get(code, "")


def service(name: str, region: str | None) -> Any:
    """Give a client of a service of AWS."""
    import boto3

    # boto3 itself knows AWS_DEFAULT_REGION only.
    region = region or os.environ.get("AWS_REGION") or None
    try:
        return boto3.session.Session(region_name=region).client(name)
    except ValueError as error:  # AWS_ENDPOINT_URL is none
        raise CommandError(f"{error}.", "Unset AWS_ENDPOINT_URL, or correct it.") from None


def check_cidr(text: str, *, anyone: bool) -> str:
    """Give the network that may connect."""
    try:
        network = ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise CommandError(
            f"--cidr must be an address or network; got {text}.",
            "Your own address, such as 203.0.113.7/32.",
        ) from None
    if network.version != 4:
        raise CommandError(
            f"--cidr must be IPv4; got {text}.", "Your own IPv4 address, such as 203.0.113.7/32."
        )
    if network.prefixlen < 8 and not anyone:
        raise CommandError(
            f"--cidr {text} lets nearly everybody knock at SSH.",
            "Give your own address (203.0.113.7/32), or add --anyone.",
        )
    return str(network)


def named(**more: str) -> list[dict[str, str]]:
    """Give the tags of what is made here."""
    return [TAG, *({"Key": key, "Value": value} for key, value in {"Name": NAME, **more}.items())]


def own_images(client: Any) -> list[dict[str, Any]]:
    """Give this account's sandbox images, the newest first."""
    found = client.describe_images(
        Owners=["self"], Filters=[{"Name": "tag:Name", "Values": [NAME]}]
    )
    return sorted(found["Images"], key=lambda image: str(image["CreationDate"]), reverse=True)


def launch(
    *,
    region: str | None,
    key_name: str,
    cidr: str,
    image: str | None = None,
    instance_type: str = "t3.large",
    disk_gb: int = 30,
    subnet: str | None = None,
    user_data: Path | None = None,
    anyone: bool = False,
) -> str:
    """Start an instance behind a security group of its own; give its id.

    Raises
    ------
    CommandError : an argument, credentials, region, image or key is wrong; then neither instance
        nor group is left behind.
    """
    cidr = check_cidr(cidr, anyone=anyone)
    script = read_user_data(user_data) if user_data else b""
    with aws_errors():
        client = service("ec2", region)
        client.describe_key_pairs(KeyNames=[key_name])
        if image is None:
            images = [found for found in own_images(client) if found["State"] == "available"]
            if not images:
                raise CommandError(
                    "this account has no sandbox image in this region.",
                    "packer build ami/current, sandbox ami upload, or --image AMI.",
                )
            chosen = images[0]
        else:
            (chosen,) = client.describe_images(ImageIds=[image])["Images"]
        image, root = str(chosen["ImageId"]), str(chosen["RootDeviceName"])
        group = _security_group(client, cidr, subnet)
        instance = ""
        try:
            instance = _run_instance(
                client, image, root, key_name, group, instance_type, disk_gb, subnet, script
            )
            client.get_waiter("instance_running").wait(InstanceIds=[instance])
            facts = _describe(client, instance)
        except BaseException:
            print("Taking away again what was made ...", file=sys.stderr, flush=True)
            if instance:
                client.terminate_instances(InstanceIds=[instance])
                client.get_waiter("instance_terminated").wait(InstanceIds=[instance])
            client.delete_security_group(GroupId=group)
            raise
    host = facts.get("PublicDnsName") or facts.get("PublicIpAddress") or facts["PrivateIpAddress"]
    print(
        f"{instance} runs {image}\n\n"
        f"1. Tunnel:   ssh -i KEY -L 8888:127.0.0.1:8888 admin@{host}   (Ubuntu: ubuntu@)\n"
        "2. Address:  sudo sandbox-url      (there; the token is in it)\n"
        f"Stop paying: sandbox ami terminate {instance}"
    )
    return instance


def read_user_data(file: Path) -> bytes:
    """Give the script for the first start; it may be packed, which cloud-init knows."""
    try:
        script = file.read_bytes()
    except OSError as error:
        raise CommandError(f"--user-data {file} cannot be read: {error.strerror}.") from None
    if not 0 < len(script) <= MAX_USER_DATA:
        raise CommandError(
            f"--user-data must have 1 to {MAX_USER_DATA} bytes; {file} has {len(script)}.",
            "Let a short script fetch the rest, or pack it: gzip -k FILE." if script else "",
        )
    return script


def _security_group(client: Any, cidr: str, subnet: str | None) -> str:
    network = {}
    if subnet is not None:
        found = client.describe_subnets(SubnetIds=[subnet])
        network["VpcId"] = found["Subnets"][0]["VpcId"]
    made = client.create_security_group(
        GroupName=f"{NAME}-{secrets.token_hex(4)}",
        Description="SSH to a BigDL sandbox",
        TagSpecifications=[{"ResourceType": "security-group", "Tags": [TAG]}],
        **network,
    )
    group = str(made["GroupId"])
    try:
        client.authorize_security_group_ingress(
            GroupId=group,
            IpPermissions=[
                {
                    "IpProtocol": "tcp",
                    "FromPort": 22,
                    "ToPort": 22,
                    "IpRanges": [{"CidrIp": cidr, "Description": "who started it"}],
                }
            ],
        )
    except BaseException:
        client.delete_security_group(GroupId=group)
        raise
    return group


def _run_instance(
    client: Any,
    image: str,
    root: str,
    key_name: str,
    group: str,
    instance_type: str,
    disk_gb: int,
    subnet: str | None,
    script: bytes,
) -> str:
    arguments: dict[str, Any] = {}
    if subnet is not None:
        arguments["SubnetId"] = subnet
    if script:
        arguments["UserData"] = script
    made = client.run_instances(
        ImageId=image,
        InstanceType=instance_type,
        KeyName=key_name,
        SecurityGroupIds=[group],
        MinCount=1,
        MaxCount=1,
        MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
        BlockDeviceMappings=[
            {
                "DeviceName": root,
                "Ebs": {
                    "VolumeSize": disk_gb,
                    "VolumeType": "gp3",
                    "Encrypted": True,
                    "DeleteOnTermination": True,
                },
            }
        ],
        TagSpecifications=[
            {"ResourceType": kind, "Tags": named(**{GROUP: group})}
            for kind in ("instance", "volume")
        ],
        **arguments,
    )
    return str(made["Instances"][0]["InstanceId"])


def _describe(client: Any, instance: str) -> dict[str, Any]:
    found = client.describe_instances(InstanceIds=[instance])
    return dict(found["Reservations"][0]["Instances"][0])


def ours(client: Any, *, gone: bool = False) -> list[dict[str, Any]]:
    """Give the instances that were started here; those that are `gone` as well, if asked for."""
    wanted = [{"Name": f"tag:{TAG['Key']}", "Values": [TAG["Value"]]}]
    pages = client.get_paginator("describe_instances").paginate(Filters=wanted)
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return [one for one in found if gone or one["State"]["Name"] not in ENDED]


def show(*, region: str | None) -> int:
    """List images and instances."""
    with aws_errors():
        client = service("ec2", region)
        images, instances = own_images(client), ours(client)
        where = client.meta.region_name
    print(f"region {where}: {len(images)} images, {len(instances)} instances")
    for image in images:
        print(f"  image    {image['ImageId']}  {image.get('Name', '')}  {image['CreationDate']}")
    for one in instances:
        host = one.get("PublicIpAddress") or one.get("PrivateIpAddress", "")
        state = one["State"]["Name"]
        print(f"  instance {one['InstanceId']}  {state}  {one['InstanceType']}  {host}")
    return 0


def terminate(names: list[str], *, region: str | None) -> int:
    """End instances that were started here, and remove their security groups.

    Once more for the same instances does what an interrupted first time has left.
    """
    with aws_errors():
        client = service("ec2", region)
        there = {one["InstanceId"]: one for one in ours(client, gone=True)}
        for name in names:
            if name not in there:
                known = [key for key, one in there.items() if one["State"]["Name"] not in ENDED]
                raise CommandError(
                    f"{name} is no instance of the sandbox in {client.meta.region_name}.",
                    f"There is: {', '.join(known) or 'none'}.",
                )
        tags = [tag for name in names for tag in there[name]["Tags"]]
        groups = [tag["Value"] for tag in tags if tag["Key"] == GROUP]
        client.terminate_instances(InstanceIds=names)
        print("Waiting until AWS has ended them ...", flush=True)
        client.get_waiter("instance_terminated").wait(InstanceIds=names)
        own = [{"Name": f"tag:{TAG['Key']}", "Values": [TAG["Value"]]}]
        for group in client.describe_security_groups(Filters=own)["SecurityGroups"]:
            if group["GroupId"] in groups:
                client.delete_security_group(GroupId=group["GroupId"])
    print(f"terminated {', '.join(names)}")
    return 0


def require_imdsv2(image: str, *, region: str | None) -> int:
    """Make every later instance of an image use version 2 of the metadata service."""
    with aws_errors():
        service("ec2", region).modify_image_attribute(
            ImageId=image, Attribute="imdsSupport", ImdsSupport={"Value": "v2.0"}
        )
    print(f"{image}: metadata service version 2 only")
    return 0
