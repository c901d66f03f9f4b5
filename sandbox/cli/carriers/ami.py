"""`sandbox ami launch|list|stop|start|terminate`: instances on AWS, reached through SSH only."""

from __future__ import annotations

import gzip
import ipaddress
import re
import secrets
import sys
import zlib
from pathlib import Path
from typing import Any

from ..errors import CommandError
from .aws import NAME, TAG, aws_errors, lost_snapshots, named, own_images, service

MAX_USER_DATA = 16384
GZIP = b"\x1f\x8b"
# The two lines at the head of docker/user-data.sh, of which one must be filled in.
SETTING = re.compile(
    r"""^(SANDBOX_(?:IMAGE|BUNDLE_URL))=["']?(?:\$\{\w+:-)?([^"'}\s]*)""", re.MULTILINE
)
# On an instance: the group made for it, which AWS itself forgets when the instance ends.
GROUP = "SecurityGroup"
ENDED = ("shutting-down", "terminated")


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
    count: int = 1,
) -> list[str]:
    """Start instances behind a security group of their own; give their ids.

    Raises
    ------
    CommandError : an argument, credentials, region, image or key is wrong; then neither instances
        nor group are left behind.
    """
    cidr = check_cidr(cidr, anyone=anyone)
    script = read_user_data(user_data, own_image=image is None) if user_data else b""
    with aws_errors():
        client = service("ec2", region)
        client.describe_key_pairs(KeyNames=[key_name])
        if image is None:
            images = [found for found in own_images(client) if found["State"] == "available"]
            if not images:
                raise CommandError(
                    "this account has no sandbox image in this region.",
                    "packer build ami/current, sandbox ami upload, sandbox ami copy, or --image.",
                )
            chosen = images[0]
        else:
            (chosen,) = client.describe_images(ImageIds=[image])["Images"]
        group = _security_group(client, cidr, subnet)
        instances: list[str] = []
        try:
            instances = _run_instances(
                client,
                chosen,
                count=count,
                key_name=key_name,
                group=group,
                instance_type=instance_type,
                disk_gb=disk_gb,
                subnet=subnet,
                script=script,
            )
            client.get_waiter("instance_running").wait(InstanceIds=instances)
            hosts = _hosts(client, instances)
        except BaseException:
            print("Taking away again what was made ...", file=sys.stderr, flush=True)
            if instances:
                client.terminate_instances(InstanceIds=instances)
                client.get_waiter("instance_terminated").wait(InstanceIds=instances)
            client.delete_security_group(GroupId=group)
            raise
    for instance in instances:
        print(f"{instance} runs {chosen['ImageId']} at {hosts[instance]}")
    first = hosts[instances[0]]
    print(
        f"\n1. Tunnel:   ssh -i KEY -L 8888:127.0.0.1:8888 admin@{first}   (Ubuntu: ubuntu@)\n"
        "2. Address:  sudo sandbox-url      (there; the token is in it)\n"
        f"Pause:       sandbox ami stop {' '.join(instances)}      (the disks still cost)\n"
        f"Stop paying: sandbox ami terminate {' '.join(instances)}"
    )
    return instances


def read_user_data(file: Path, *, own_image: bool) -> bytes:
    """Give the script for the first start; it may be packed, which cloud-init knows.

    Refused is what can only fail: docker/user-data.sh as it comes, or on an image of our own.
    """
    try:
        script = file.read_bytes()
    except OSError as error:
        raise CommandError(f"--user-data {file} cannot be read: {error.strerror}.") from None
    if not 0 < len(script) <= MAX_USER_DATA:
        raise CommandError(
            f"--user-data must have 1 to {MAX_USER_DATA} bytes; {file} has {len(script)}.",
            "Let a short script fetch the rest, or pack it: gzip -k FILE." if script else "",
        )
    try:
        text = gzip.decompress(script) if script.startswith(GZIP) else script
    except (OSError, EOFError, zlib.error):
        raise CommandError(f"--user-data {file} is packed, but damaged.") from None
    settings = dict(SETTING.findall(text.decode(errors="replace")))
    if not settings:
        return script  # a script of the user's own
    if not any(settings.values()):
        raise CommandError(
            f"--user-data {file} names neither an image nor a bundle.",
            f"Write one between the quotes at its head, after {' or '.join(settings)}.",
        )
    if own_image:
        raise CommandError(
            f"--user-data {file} is for Ubuntu or Debian; the sandbox's own image needs none.",
            "Add --image AMI-OF-UBUNTU, or leave --user-data out.",
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


def _run_instances(
    client: Any,
    image: dict[str, Any],
    *,
    count: int,
    key_name: str,
    group: str,
    instance_type: str,
    disk_gb: int,
    subnet: str | None,
    script: bytes,
) -> list[str]:
    arguments: dict[str, Any] = {}
    if subnet is not None:
        arguments["SubnetId"] = subnet
    if script:
        arguments["UserData"] = script
    made = client.run_instances(
        ImageId=image["ImageId"],
        InstanceType=instance_type,
        KeyName=key_name,
        SecurityGroupIds=[group],
        MinCount=count,  # all or none
        MaxCount=count,
        MetadataOptions={"HttpTokens": "required", "HttpEndpoint": "enabled"},
        BlockDeviceMappings=[
            {
                "DeviceName": image["RootDeviceName"],
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
    return [str(one["InstanceId"]) for one in made["Instances"]]


def _hosts(client: Any, instances: list[str]) -> dict[str, str]:
    """Give the name or address under which each instance is reached."""
    found = client.describe_instances(InstanceIds=instances)["Reservations"]
    return {
        one["InstanceId"]: one.get("PublicDnsName")
        or one.get("PublicIpAddress")
        or one.get("PrivateIpAddress", "")
        for group in found
        for one in group["Instances"]
    }


def ours(client: Any, *, gone: bool = False) -> list[dict[str, Any]]:
    """Give the instances that were started here; those that are `gone` as well, if asked for."""
    wanted = [{"Name": f"tag:{TAG['Key']}", "Values": [TAG["Value"]]}]
    pages = client.get_paginator("describe_instances").paginate(Filters=wanted)
    found = [one for page in pages for group in page["Reservations"] for one in group["Instances"]]
    return [one for one in found if gone or one["State"]["Name"] not in ENDED]


def show(*, region: str | None) -> int:
    """List images, snapshots that no image uses, and instances."""
    with aws_errors():
        client = service("ec2", region)
        images, instances = own_images(client), ours(client)
        lost = lost_snapshots(client, images)
        where = client.meta.region_name
    print(f"region {where}: {len(images)} images, {len(instances)} instances")
    for image in images:
        print(f"  image    {image['ImageId']}  {image.get('Name', '')}  {image['CreationDate']}")
    for one in lost:
        print(f"  snapshot {one['SnapshotId']}  {one['VolumeSize']} GB, of no image; it costs")
    for one in instances:
        host = one.get("PublicIpAddress") or one.get("PrivateIpAddress", "")
        state = one["State"]["Name"]
        print(f"  instance {one['InstanceId']}  {state}  {one['InstanceType']}  {host}")
    return 0


def _need_ours(client: Any, names: list[str], *, gone: bool = False) -> dict[str, dict[str, Any]]:
    """Give the instances of these names; refuse other people's."""
    there = {one["InstanceId"]: one for one in ours(client, gone=gone)}
    for name in names:
        if name not in there:
            known = [key for key, one in there.items() if one["State"]["Name"] not in ENDED]
            raise CommandError(
                f"{name} is no instance of the sandbox in {client.meta.region_name}.",
                f"There is: {', '.join(known) or 'none'}.",
            )
    return there


def stop(names: list[str], *, region: str | None) -> int:
    """Pause instances: the disk stays and costs, the rest does not."""
    with aws_errors():
        client = service("ec2", region)
        _need_ours(client, names)
        client.stop_instances(InstanceIds=names)
        print("Waiting until AWS has stopped them ...", flush=True)
        client.get_waiter("instance_stopped").wait(InstanceIds=names)
    print(f"stopped {', '.join(names)}; the disks still cost until: sandbox ami terminate")
    return 0


def start(names: list[str], *, region: str | None) -> int:
    """Go on with stopped instances; print their addresses, which are new ones."""
    with aws_errors():
        client = service("ec2", region)
        _need_ours(client, names)
        client.start_instances(InstanceIds=names)
        client.get_waiter("instance_running").wait(InstanceIds=names)
        hosts = _hosts(client, names)
    for name in names:
        print(f"{name} runs at {hosts[name]}   (a new address; the token is the same)")
    return 0


def terminate(names: list[str], *, region: str | None) -> int:
    """End instances that were started here, and remove the security groups nobody uses any more.

    Once more for the same instances does what an interrupted first time has left.
    """
    with aws_errors():
        client = service("ec2", region)
        there = _need_ours(client, names, gone=True)
        client.terminate_instances(InstanceIds=names)
        print("Waiting until AWS has ended them ...", flush=True)
        client.get_waiter("instance_terminated").wait(InstanceIds=names)
        groups = {_group_of(there[name]) for name in names}
        groups -= {_group_of(one) for one in ours(client)}  # of one launch, and still running
        own = [{"Name": f"tag:{TAG['Key']}", "Values": [TAG["Value"]]}]
        for group in client.describe_security_groups(Filters=own)["SecurityGroups"]:
            if group["GroupId"] in groups:
                client.delete_security_group(GroupId=group["GroupId"])
    print(f"terminated {', '.join(names)}")
    return 0


def _group_of(instance: dict[str, Any]) -> str | None:
    tags = instance.get("Tags", [])
    return next((tag["Value"] for tag in tags if tag["Key"] == GROUP), None)
