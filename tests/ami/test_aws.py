"""Launching, listing, ending and uploading, against moto, which plays AWS in this process."""

from __future__ import annotations

import base64
import gzip
import hashlib
import re
from pathlib import Path
from unittest import mock

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    EndpointConnectionError,
    ReadTimeoutError,
    UnauthorizedSSOTokenError,
    WaiterError,
)
from botocore.parsers import ResponseParserError
from moto import mock_aws

from sandbox.cli.carriers import ami, ami_images, upload
from sandbox.cli.carriers import aws as amazon
from sandbox.cli.errors import CommandError

pytestmark = pytest.mark.processes

ROOT = Path(__file__).resolve().parents[2]
REGION = "us-east-1"


@pytest.fixture(autouse=True)
def own_settings(monkeypatch, tmp_path):
    """Let nothing of the user's own AWS settings in."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "testing")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture
def aws():
    with mock_aws():
        client = boto3.client("ec2", region_name=REGION)
        client.create_key_pair(KeyName="mine")
        yield client


@pytest.fixture
def image(aws):
    """Register a sandbox image of our own."""
    snapshot = aws.create_snapshot(
        VolumeId=aws.create_volume(Size=8, AvailabilityZone=f"{REGION}a")["VolumeId"]
    )
    return upload.register(aws, snapshot["SnapshotId"], "bigdl-sandbox-test", "0.1.0")


def launch(**changes):
    arguments = {"region": REGION, "key_name": "mine", "cidr": "203.0.113.7/32", **changes}
    return ami.launch(**arguments)


def groups(aws):
    found = aws.describe_security_groups()["SecurityGroups"]
    return [group for group in found if group["GroupName"].startswith("bigdl-sandbox")]


def own_snapshots(aws):
    """List the snapshots that bear our tag; moto has many of its own."""
    own = [{"Name": "tag:Project", "Values": ["bigdl-sandbox"]}]
    return [one["SnapshotId"] for one in aws.describe_snapshots(Filters=own)["Snapshots"]]


def test_instance_is_reached_from_one_network_through_ssh_only(aws, image, capsys):
    (name,) = launch()
    said = capsys.readouterr().out
    assert "ssh -i KEY -L 8888:127.0.0.1:8888 admin@" in said
    facts = aws.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    assert facts["ImageId"] == image
    assert facts["MetadataOptions"]["HttpTokens"] == "required"
    (group,) = groups(aws)
    assert [g["GroupId"] for g in facts["SecurityGroups"]] == [group["GroupId"]]
    (rule,) = group["IpPermissions"]
    assert (rule["FromPort"], rule["ToPort"]) == (22, 22)
    assert [r["CidrIp"] for r in rule["IpRanges"]] == ["203.0.113.7/32"]
    (disk,) = aws.describe_volumes(Filters=[{"Name": "attachment.instance-id", "Values": [name]}])[
        "Volumes"
    ]
    assert (disk["VolumeType"], disk["Encrypted"], disk["Size"]) == ("gp3", True, 30)

    assert ami.show(region=REGION) == 0
    listed = capsys.readouterr().out
    assert image in listed
    assert name in listed
    assert ami.terminate([name], region=REGION) == 0
    assert groups(aws) == []
    assert ami.ours(aws) == []


def test_disk_is_the_root_of_any_image(aws):
    """Ubuntu's images have their root elsewhere; a second disk would be of no use."""
    ubuntu = aws.register_image(Name="ubuntu", RootDeviceName="/dev/sda1")["ImageId"]
    (name,) = launch(image=ubuntu)
    facts = aws.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    assert [d["DeviceName"] for d in facts["BlockDeviceMappings"]] == ["/dev/sda1"]


def test_user_data_goes_to_the_instance(aws, image, tmp_path):
    script = tmp_path / "start.sh"
    script.write_text("#!/bin/sh\necho hello\n")
    (name,) = launch(user_data=script)
    stored = aws.describe_instance_attribute(InstanceId=name, Attribute="userData")
    assert stored["UserData"]["Value"]
    script.write_text("#" * 20000)
    with pytest.raises(CommandError, match=r"16384 bytes; .* has 20000"):
        launch(user_data=script)


def test_root_disk_is_encrypted_and_ends_with_its_instance():
    """Of these, moto tells only the half."""
    client = mock.MagicMock()
    client.run_instances.return_value = {"Instances": [{"InstanceId": "i-1"}]}
    image = {"ImageId": "ami-1", "RootDeviceName": "/dev/xvda"}
    ami._run_instances(client, image, count=1, key_name="key", group="sg-1",
                       instance_type="t3.large", disk_gb=30, subnet=None, script=b"")  # fmt: skip
    asked = client.run_instances.call_args.kwargs
    (device,) = asked["BlockDeviceMappings"]
    assert device["DeviceName"] == "/dev/xvda"
    assert device["Ebs"] == {
        "VolumeSize": 30,
        "VolumeType": "gp3",
        "Encrypted": True,
        "DeleteOnTermination": True,
    }
    assert asked["MetadataOptions"] == {"HttpTokens": "required", "HttpEndpoint": "enabled"}
    assert not {"SubnetId", "UserData"} & asked.keys()


def test_newest_image_is_the_one_that_is_started(aws):
    days = ("2026-03-02", "2026-11-21", "2025-12-31")
    client = mock.MagicMock()
    client.describe_images.return_value = {"Images": [{"CreationDate": day} for day in days]}
    assert [one["CreationDate"] for one in amazon.own_images(client)] == sorted(days, reverse=True)


def test_group_is_made_in_the_network_of_the_subnet(aws, image):
    network = aws.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = aws.create_subnet(VpcId=network, CidrBlock="10.9.1.0/24")["Subnet"]["SubnetId"]
    (name,) = launch(subnet=subnet)
    (group,) = groups(aws)
    assert group["VpcId"] == network
    facts = aws.describe_instances(InstanceIds=[name])["Reservations"][0]["Instances"][0]
    assert facts["SubnetId"] == subnet


def test_a_group_without_its_rule_is_not_left(aws):
    client = mock.MagicMock()
    client.create_security_group.return_value = {"GroupId": "sg-1"}
    client.authorize_security_group_ingress.side_effect = KeyboardInterrupt
    with pytest.raises(KeyboardInterrupt):
        ami._security_group(client, "203.0.113.7/32", None)
    client.delete_security_group.assert_called_once_with(GroupId="sg-1")


@pytest.mark.parametrize(
    ("cidr", "known"),
    [
        ("203.0.113.7", "203.0.113.7/32"),
        ("203.0.113.7/24", "203.0.113.0/24"),
        ("10.0.0.0/8", "10.0.0.0/8"),
    ],
)
def test_a_network_is_one_address_if_nothing_else_is_said(cidr, known):
    assert ami.check_cidr(cidr, anyone=False) == known
    assert ami.check_cidr("0.0.0.0/0", anyone=True) == "0.0.0.0/0"
    with pytest.raises(CommandError, match="--anyone"):
        ami.check_cidr("10.0.0.0/7", anyone=False)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"cidr": "everywhere"}, "must be an address or network"),
        ({"cidr": "0.0.0.0/0"}, "nearly everybody"),
        ({"cidr": "::/0"}, "must be IPv4"),
        ({"key_name": "stolen"}, "InvalidKeyPair.NotFound"),
        ({"image": "ami-12345678"}, "InvalidAMIID.NotFound"),
        ({"subnet": "subnet-12345678"}, "InvalidSubnetID.NotFound"),
    ],
)
def test_a_wrong_argument_is_told_and_leaves_nothing(aws, image, changes, words):
    with pytest.raises(CommandError, match=words):
        launch(**changes)
    assert groups(aws) == []
    assert ami.ours(aws) == []


def test_user_data_may_be_packed_but_not_empty(aws, image, tmp_path):
    """cloud-init unpacks it; what is no text must not end in a decoding error."""
    script = tmp_path / "start.gz"
    script.write_bytes(gzip.compress(b"#!/bin/sh\necho hello\n"))
    (name,) = launch(user_data=script)
    stored = aws.describe_instance_attribute(InstanceId=name, Attribute="userData")
    assert base64.b64decode(stored["UserData"]["Value"]) == script.read_bytes()
    script.write_bytes(b"")
    with pytest.raises(CommandError, match="must have 1 to 16384 bytes"):
        launch(user_data=script)
    with pytest.raises(CommandError, match="cannot be read"):
        launch(user_data=tmp_path)


def test_an_image_that_is_not_ready_is_not_started(aws, image, monkeypatch):
    found = [{**one, "State": "pending"} for one in amazon.own_images(aws)]
    monkeypatch.setattr(ami, "own_images", lambda client: found)
    with pytest.raises(CommandError, match="no sandbox image in this region"):
        launch()


def test_an_interrupted_start_leaves_neither_instance_nor_group(aws, image, monkeypatch):
    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(ami, "_hosts", interrupt)  # the instance runs already
    with pytest.raises(KeyboardInterrupt):
        launch()
    assert groups(aws) == []
    assert ami.ours(aws) == []


def test_terminating_again_removes_the_group_that_an_interruption_has_left(aws, image):
    (name,) = launch()
    aws.terminate_instances(InstanceIds=[name])
    assert len(groups(aws)) == 1
    assert ami.ours(aws) == []
    assert ami.terminate([name], region=REGION) == 0
    assert groups(aws) == []
    assert ami.terminate([name], region=REGION) == 0


def test_no_image_yet_is_told(aws):
    with pytest.raises(CommandError, match="no sandbox image in this region"):
        launch()


def test_a_start_that_fails_takes_the_group_away_again(aws, image, monkeypatch):
    def refuse(*_, **__):
        answer = {"Error": {"Code": "InsufficientInstanceCapacity", "Message": "full"}}
        raise ClientError(answer, "RunInstances")

    monkeypatch.setattr(ami, "_run_instances", refuse)
    with pytest.raises(CommandError, match="Try another --type or region"):
        launch()
    assert groups(aws) == []


def test_only_own_instances_are_stopped_started_and_terminated(aws, image):
    other = aws.run_instances(ImageId=image, MinCount=1, MaxCount=1)["Instances"][0]["InstanceId"]
    for verb in (ami.stop, ami.start, ami.terminate):
        with pytest.raises(CommandError, match="is no instance of the sandbox"):
            verb([other], region=REGION)


class TestUserDataOfOurs:
    FILE = ROOT / "docker/user-data.sh"

    def edited(self, folder, name, value):
        """Fill in one of the two lines at its head, as people do."""
        text, count = re.subn(rf'^{name}=.*$', f'{name}="{value}"', self.FILE.read_text(),
                              flags=re.MULTILINE)  # fmt: skip
        assert count == 1
        script = folder / "user-data.sh"
        script.write_text(text)
        return script

    def test_unedited_it_is_refused_since_it_can_only_fail(self, aws, image, tmp_path):
        packed = tmp_path / "user-data.gz"
        packed.write_bytes(gzip.compress(self.FILE.read_bytes()))
        for script in (self.FILE, packed):
            with pytest.raises(CommandError, match="neither an image nor a bundle") as caught:
                launch(image=image, user_data=script)
            assert "SANDBOX_IMAGE or SANDBOX_BUNDLE_URL" in caught.value.cure
        assert groups(aws) == []

    @pytest.mark.parametrize(
        ("name", "value"),
        [("SANDBOX_IMAGE", "example.org/team/box:1"), ("SANDBOX_BUNDLE_URL", "https://e.org/box")],
    )
    def test_with_either_line_filled_in_it_goes_to_ubuntu(self, aws, tmp_path, name, value):
        ubuntu = aws.register_image(Name="ubuntu", RootDeviceName="/dev/sda1")["ImageId"]
        script = self.edited(tmp_path, name, value)
        (made,) = launch(image=ubuntu, user_data=script)
        stored = aws.describe_instance_attribute(InstanceId=made, Attribute="userData")
        assert base64.b64decode(stored["UserData"]["Value"]) == script.read_bytes()

    def test_a_default_between_the_braces_counts_as_filled_in(self, tmp_path):
        script = self.edited(tmp_path, "SANDBOX_IMAGE", "${SANDBOX_IMAGE:-example.org/box}")
        assert ami.read_user_data(script, own_image=False) == script.read_bytes()

    def test_on_an_image_of_our_own_it_is_refused(self, aws, image, tmp_path):
        script = self.edited(tmp_path, "SANDBOX_IMAGE", "example.org/team/box:1")
        with pytest.raises(CommandError, match="own image needs none"):
            launch(user_data=script)
        assert groups(aws) == []

    def test_a_damaged_package_is_told(self, tmp_path):
        script = tmp_path / "x.gz"
        script.write_bytes(gzip.compress(b"#!/bin/sh\n" * 100)[:-12])
        with pytest.raises(CommandError, match="packed, but damaged"):
            ami.read_user_data(script, own_image=False)


class TestSeveralInstances:
    def test_a_class_has_one_group_that_goes_with_the_last_instance(self, aws, image, capsys):
        names = launch(count=3)
        assert len(set(names)) == 3
        said = capsys.readouterr().out
        assert all(f"{name} runs {image} at " in said for name in names)
        assert len(groups(aws)) == 1
        assert ami.terminate(names[:2], region=REGION) == 0
        assert len(groups(aws)) == 1  # the third one is behind it
        assert [one["InstanceId"] for one in ami.ours(aws)] == names[2:]
        assert ami.terminate(names[2:], region=REGION) == 0
        assert groups(aws) == []

    def test_stopped_instances_start_again(self, aws, image, capsys):
        (name,) = launch()
        assert ami.stop([name], region=REGION) == 0
        assert "the disks still cost" in capsys.readouterr().out
        assert ami.ours(aws)[0]["State"]["Name"] == "stopped"
        assert ami.start([name], region=REGION) == 0
        assert f"{name} runs at ec2-" in capsys.readouterr().out
        assert ami.ours(aws)[0]["State"]["Name"] == "running"


class TestImages:
    def test_an_image_goes_with_its_snapshots(self, aws, image, capsys):
        (found,) = amazon.own_images(aws)
        (snapshot,) = amazon.snapshots_of(found)
        assert ami_images.delete([image], region=REGION) == 0
        assert f"deleted {image} with {snapshot}" in capsys.readouterr().out
        assert amazon.own_images(aws) == []
        with pytest.raises(ClientError, match="NotFound"):
            aws.describe_snapshots(SnapshotIds=[snapshot])

    def test_a_snapshot_that_an_interruption_has_left_is_listed_and_deleted(self, aws, capsys):
        volume = aws.create_volume(Size=8, AvailabilityZone=f"{REGION}a")["VolumeId"]
        tags = [{"ResourceType": "snapshot", "Tags": amazon.named()}]
        lost = aws.create_snapshot(VolumeId=volume, TagSpecifications=tags)["SnapshotId"]
        assert ami.show(region=REGION) == 0
        assert f"snapshot {lost}  8 GB, of no image" in capsys.readouterr().out
        assert ami_images.delete([lost], region=REGION) == 0
        assert own_snapshots(aws) == []

    def test_what_is_not_ours_is_not_deleted(self, aws, image):
        for name in ("ami-12345678", "snap-12345678"):
            with pytest.raises(CommandError, match="is no sandbox image"):
                ami_images.delete([image, name], region=REGION)
        assert [one["ImageId"] for one in amazon.own_images(aws)] == [image]

    def test_a_copy_in_another_region_is_found_and_started_there(self, aws, image, capsys):
        made = ami_images.copy(image, to="eu-west-3", region=REGION)
        there = boto3.client("ec2", region_name="eu-west-3")
        (found,) = amazon.own_images(there)
        assert found["ImageId"] == made
        assert {"Key": "Release", "Value": "0.1.0"} in found["Tags"]
        there.create_key_pair(KeyName="mine")
        assert len(launch(region="eu-west-3")) == 1
        assert f"{made} is in eu-west-3" in capsys.readouterr().out

    def test_a_copy_is_encrypted_and_so_is_one_with_a_key_of_ones_own(self, monkeypatch):
        for key, wanted in ((None, {}), ("alias/ours", {"KmsKeyId": "alias/ours"})):
            client = mock.MagicMock()
            client.meta.region_name = REGION
            source = {"ImageId": "ami-1", "Name": "box", "CreationDate": ""}
            client.describe_images.return_value = {"Images": [source]}
            monkeypatch.setattr(ami_images, "service", lambda name, region, client=client: client)
            ami_images.copy("ami-1", to=REGION, region=None, kms_key=key)
            asked = client.copy_image.call_args.kwargs
            assert asked["Encrypted"] is True
            assert {n: v for n, v in asked.items() if n == "KmsKeyId"} == wanted
            assert asked["Name"] == "box-copy"  # a name is taken once in a region

    def test_an_interrupted_copy_is_deleted_again(self, aws, image, monkeypatch):
        def interrupt(_):
            raise KeyboardInterrupt

        monkeypatch.setattr(ami_images, "snapshots_of", interrupt)
        monkeypatch.setattr(ami_images, "_remove", lambda client, one: client.deregister_image(
            ImageId=one["ImageId"]))  # fmt: skip
        with pytest.raises(KeyboardInterrupt):
            ami_images.copy(image, to="eu-west-3", region=REGION)
        there = boto3.client("ec2", region_name="eu-west-3")
        assert there.describe_images(Owners=["self"])["Images"] == []

    def permissions(self, aws, image):
        found = aws.describe_image_attribute(ImageId=image, Attribute="launchPermission")
        return [one["UserId"] for one in found["LaunchPermissions"]]

    def test_an_image_is_shared_and_no_longer_shared(self, aws, image):
        assert ami_images.share(image, ["111122223333"], region=REGION) == 0
        assert self.permissions(aws, image) == ["111122223333"]
        assert ami_images.share(image, ["111122223333"], region=REGION, remove=True) == 0
        assert self.permissions(aws, image) == []

    @pytest.fixture
    def encrypted(self, image, monkeypatch):
        """Let an image's snapshot be encrypted, and say who manages the key; moto knows neither."""

        def encrypt(manager):
            def with_key(name, region):
                client = service(name, region)
                if name == "kms":
                    client.describe_key = lambda KeyId: {"KeyMetadata": {"KeyManager": manager}}
                else:
                    disk = {"SnapshotId": "snap-1", "Encrypted": True, "KmsKeyId": "arn:key/1"}
                    client.describe_snapshots = lambda **_: {"Snapshots": [disk]}
                return client

            service = amazon.service
            monkeypatch.setattr(ami_images, "service", with_key)
            return image

        return encrypt

    def test_an_image_encrypted_with_the_default_key_cannot_be_shared(self, aws, encrypted):
        image = encrypted("AWS")
        with pytest.raises(CommandError, match="this account's default key") as caught:
            ami_images.share(image, ["111122223333"], region=REGION)
        assert f"sandbox ami copy {image} --kms-key KEY --to {REGION}" in caught.value.cure
        assert self.permissions(aws, image) == []

    def test_with_a_key_of_ones_own_it_can_and_the_right_to_the_key_is_named(
        self, aws, encrypted, capsys
    ):
        image = encrypted("CUSTOMER")
        assert ami_images.share(image, ["111122223333"], region=REGION) == 0
        assert "the right to use arn:key/1" in capsys.readouterr().out
        assert self.permissions(aws, image) == ["111122223333"]

    def test_an_account_that_is_none_is_told(self, aws, image):
        with pytest.raises(CommandError, match="must have 12 digits; got '1234'"):
            ami_images.share(image, ["1234"], region=REGION)


class TestWrongSettings:
    def test_no_credentials(self, monkeypatch):
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
        monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
        with pytest.raises(CommandError, match="no AWS credentials here") as caught:
            ami.show(region=REGION)
        assert "aws configure" in caught.value.cure

    def test_no_region(self):
        with pytest.raises(CommandError, match="no AWS region is set"):
            ami.show(region=None)

    def test_region_may_come_from_the_variable_that_the_help_names(self, aws, monkeypatch, capsys):
        monkeypatch.setenv("AWS_REGION", "eu-west-3")
        assert ami.show(region=None) == 0
        assert "region eu-west-3:" in capsys.readouterr().out
        assert ami.show(region=REGION) == 0
        assert f"region {REGION}:" in capsys.readouterr().out

    def test_no_such_profile(self, monkeypatch):
        monkeypatch.setenv("AWS_PROFILE", "nobody")
        with pytest.raises(CommandError, match="nobody"):
            ami.show(region=REGION)

    def test_wrong_credentials_and_rights_come_with_their_cures(self):
        for code, cure in (("AuthFailure", "aws configure"), ("UnauthorizedOperation", "ask for")):
            answer = {"Error": {"Code": code, "Message": "no"}}
            with pytest.raises(CommandError, match=cure), amazon.aws_errors():
                raise ClientError(answer, "DescribeImages")

    def test_a_region_that_does_not_answer(self):
        for error in (
            EndpointConnectionError(endpoint_url="https://ec2.mars-1.amazonaws.com"),
            ReadTimeoutError(endpoint_url="https://ec2.mars-1.amazonaws.com"),
            ResponseParserError("a proxy's page"),
        ):
            with pytest.raises(CommandError, match="does not answer"), amazon.aws_errors():
                raise error

    def test_an_address_that_is_none(self, monkeypatch):
        monkeypatch.setenv("AWS_ENDPOINT_URL", "nonsense")
        with pytest.raises(CommandError, match="Invalid endpoint: nonsense"):
            ami.show(region=REGION)

    def test_a_machine_that_ends_at_once_is_told_with_the_reason(self):
        answer = {"Reservations": [{"Instances": [{"StateReason": {"Message": "no such key"}}]}]}
        with pytest.raises(CommandError, match="did not finish: no such key"), amazon.aws_errors():
            raise WaiterError("InstanceRunning", "terminal failure", answer)

    def test_an_old_login_is_told_with_its_cure(self):
        with pytest.raises(CommandError, match="aws sso login"), amazon.aws_errors():
            raise UnauthorizedSSOTokenError


class TestUpload:
    @pytest.fixture
    def disk(self, tmp_path):
        """Write a disk of 3 MB: a boot sector, a hole, some content, an odd end."""
        file = tmp_path / "disk.raw"
        with file.open("wb") as out:
            out.write(bytes(510) + b"\x55\xaa")
            out.seek(2 << 20)
            out.write(b"system" * 1000)
            out.truncate((3 << 20) + 100)
        return file

    def test_a_disk_becomes_an_image_with_the_safe_settings(self, aws, disk, capsys):
        name = upload.upload(disk, region=REGION, name="bigdl-sandbox-1", version="0.1.0")
        (found,) = amazon.own_images(aws)
        assert found["ImageId"] == name
        said = capsys.readouterr().out
        assert "2 blocks" in said
        ebs = boto3.client("ebs", region_name=REGION)
        snapshot = said.split()[-1]  # moto gives the image a device of its own
        stored = ebs.list_snapshot_blocks(SnapshotId=snapshot)["Blocks"]
        assert sorted(block["BlockIndex"] for block in stored) == [0, 4]

    def test_snapshot_is_encrypted_large_enough_and_proved_by_its_checksum(
        self, tmp_path, monkeypatch
    ):
        file = tmp_path / "disk.raw"
        with file.open("wb") as out:
            out.write(bytes(510) + b"\x55\xaa")
            out.seek(1 << 30)
            out.write(b"x")  # one byte more than 1 GiB
        ec2, ebs = mock.MagicMock(), mock.MagicMock()
        ec2.describe_images.return_value = {"Images": []}
        monkeypatch.setattr(upload, "service", lambda name, region: {"ec2": ec2, "ebs": ebs}[name])
        upload.upload(file, region=REGION, name="box", version="0")
        asked = ebs.start_snapshot.call_args.kwargs
        assert (asked["VolumeSize"], asked["Encrypted"]) == (2, True)
        parts = [
            (bytes(510) + b"\x55\xaa").ljust(upload.BLOCK, b"\0"),
            b"x".ljust(upload.BLOCK, b"\0"),
        ]
        sums = b"".join(hashlib.sha256(part).digest() for part in parts)
        done = ebs.complete_snapshot.call_args.kwargs
        assert done["ChangedBlocksCount"] == 2
        assert done["Checksum"] == base64.b64encode(hashlib.sha256(sums).digest()).decode()
        sent = {call.kwargs["BlockIndex"]: call.kwargs for call in
                ebs.put_snapshot_block.call_args_list}  # fmt: skip
        assert [sent[n]["BlockData"] for n in (0, 2048)] == parts
        assert {call["DataLength"] for call in sent.values()} == {upload.BLOCK}

    def test_instances_of_the_image_get_imdsv2_ena_and_efi_or_bios(self):
        class Recorder:
            def register_image(self, **asked):
                self.asked = asked
                return {"ImageId": "ami-1"}

            def create_tags(self, **asked):
                pass

        client = Recorder()
        upload.register(client, "snap-1", "x", "0")
        wanted = {"ImdsSupport": "v2.0", "EnaSupport": True, "BootMode": "uefi-preferred"}
        assert wanted.items() <= client.asked.items()
        (device,) = client.asked["BlockDeviceMappings"]
        assert device["DeviceName"] == client.asked["RootDeviceName"] == "/dev/xvda"
        disk = {"SnapshotId": "snap-1", "VolumeType": "gp3", "DeleteOnTermination": True}
        assert device["Ebs"] == disk

    def test_a_refused_upload_deletes_its_snapshot(self, aws, disk, monkeypatch):
        def refuse(*_):
            raise ClientError(
                {"Error": {"Code": "OptInRequired", "Message": "no"}}, "RegisterImage"
            )

        monkeypatch.setattr(upload, "register", refuse)
        with pytest.raises(CommandError, match="OptInRequired"):
            upload.upload(disk, region=REGION, name="box", version="0")
        assert own_snapshots(aws) == []

    def test_an_interrupted_upload_deletes_its_snapshot(self, aws, disk, monkeypatch):
        def interrupt(*_):
            raise KeyboardInterrupt

        monkeypatch.setattr(upload, "checksum", interrupt)
        with pytest.raises(KeyboardInterrupt):
            upload.upload(disk, region=REGION, name="box", version="0")
        assert own_snapshots(aws) == []

    def test_an_image_that_cannot_be_named_is_taken_away_again(self, aws, disk, monkeypatch):
        refusal = ClientError(
            {"Error": {"Code": "UnauthorizedOperation", "Message": "no"}}, "CreateTags"
        )

        def without_tags(name, region):
            client = service(name, region)
            if name == "ec2":
                client.create_tags = mock.Mock(side_effect=refusal)
            return client

        service = upload.service
        monkeypatch.setattr(upload, "service", without_tags)
        with pytest.raises(CommandError, match="ask for"):
            upload.upload(disk, region=REGION, name="box", version="0")
        assert aws.describe_images(Owners=["self"])["Images"] == []
        assert own_snapshots(aws) == []

    @pytest.mark.parametrize("name", ["ab", "a" * 129, "caf\xe9 au lait", "a:b", "", "box\n"])
    def test_a_name_that_aws_refuses_is_told_before_the_upload(self, aws, disk, name):
        with pytest.raises(CommandError, match="must have 3 to 128 letters"):
            upload.upload(disk, region=REGION, name=name, version="0")
        assert own_snapshots(aws) == []

    def test_a_name_that_is_taken_is_told_before_the_upload(self, aws, disk):
        upload.upload(disk, region=REGION, name="box (1)", version="0")
        before = own_snapshots(aws)
        with pytest.raises(CommandError, match=r"is an image box \(1\) already"):
            upload.upload(disk, region=REGION, name="box (1)", version="0")
        assert own_snapshots(aws) == before

    @pytest.mark.parametrize(
        ("head", "words"),
        [(b"QFI\xfb", "is not raw"), (b"KDMV", "is not raw"), (b"text", "no partition table")],
    )
    def test_what_is_no_raw_disk_is_refused(self, tmp_path, head, words):
        file = tmp_path / "disk"
        file.write_bytes(head.ljust(1024, b"\0"))
        with pytest.raises(CommandError, match=words):
            upload.upload(file, region=REGION, name="x", version="0")

    def test_a_missing_disk_is_refused(self, tmp_path):
        with pytest.raises(CommandError, match="is no file"):
            upload.check(tmp_path / "none")
