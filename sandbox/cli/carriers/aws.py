"""AWS for the verbs of `ami`: clients, what is ours, and what AWS refuses as errors with a cure."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..errors import CommandError

NAME = "bigdl-sandbox"
TAG = {"Key": "Project", "Value": NAME}


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
        "InvalidAMIID.Unavailable": "It was deleted already: sandbox ami list.",
        "InvalidSnapshot.InUse": "An image uses it: sandbox ami list.",
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


def named(**more: str) -> list[dict[str, str]]:
    """Give the tags of what is made here."""
    return [TAG, *({"Key": key, "Value": value} for key, value in {"Name": NAME, **more}.items())]


def own_images(client: Any) -> list[dict[str, Any]]:
    """Give this account's sandbox images, the newest first."""
    found = client.describe_images(
        Owners=["self"], Filters=[{"Name": "tag:Name", "Values": [NAME]}]
    )
    return sorted(found["Images"], key=lambda image: str(image["CreationDate"]), reverse=True)


def snapshots_of(image: dict[str, Any]) -> list[str]:
    """Give the snapshots an image is made of."""
    disks = [device.get("Ebs", {}) for device in image.get("BlockDeviceMappings", [])]
    return [disk["SnapshotId"] for disk in disks if "SnapshotId" in disk]


def lost_snapshots(client: Any, images: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give our snapshots that no image uses: what an interruption has left."""
    mine = [{"Name": "tag:Name", "Values": [NAME]}]
    used = {name for image in images for name in snapshots_of(image)}
    found = client.describe_snapshots(OwnerIds=["self"], Filters=mine)["Snapshots"]
    return [one for one in found if one["SnapshotId"] not in used]
