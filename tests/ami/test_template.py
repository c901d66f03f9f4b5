"""The Packer templates: the two forms, what each must hold, and that they come from one source."""

from __future__ import annotations

import os
import shutil
import subprocess

import hcl2
import pytest

from sandbox.cli.carriers import packer

TEMPLATES = packer.outputs()
AMI = {file.parent.name: text for file, text in TEMPLATES.items() if "ami" in file.parts[-3:]}


def parsed(text):
    return hcl2.loads(text)


def bare(value):
    """Take the quotes off that some versions of the parser leave on."""
    return value.strip('"') if isinstance(value, str) else value


def block(template, kind):
    """Give the body of the one source of a template."""
    (entry,) = template["source"]
    (body,) = (value for key, value in entry.items() if bare(key) == kind)
    return next(value for key, value in body.items() if isinstance(value, dict))


@pytest.mark.parametrize("file", TEMPLATES, ids=lambda f: "/".join(f.parts[-3:]))
def test_committed_templates_are_those_of_the_source(file):
    assert file.read_text() == TEMPLATES[file], "run: sandbox ami template"
    assert parsed(TEMPLATES[file])["build"]


def test_current_form_asks_for_imdsv2_and_classic_lacks_what_its_packer_refuses():
    current, classic = parsed(AMI["current"]), parsed(AMI["classic"])
    source = block(current, "amazon-ebs")
    (metadata,) = source["metadata_options"]
    assert bare(metadata["http_tokens"]) == "required"
    assert bare(source["imds_support"]) == "v2.0"
    assert "amazon" in current["packer"][0]["required_plugins"][0]
    old = block(classic, "amazon-ebs")
    assert "packer" not in classic
    assert not {"metadata_options", "imds_support"} & old.keys()


@pytest.mark.parametrize("form", packer.FORMS)
def test_disk_is_encrypted_gp3_and_the_image_is_sealed_and_tagged(form):
    source = block(parsed(AMI[form]), "amazon-ebs")
    (disk,) = source["launch_block_device_mappings"]
    assert (bare(disk["volume_type"]), disk["encrypted"]) == ("gp3", True)
    assert bare(source["tags"]["Name"]) == "bigdl-sandbox"
    assert "ssh_password" not in AMI[form]
    last = AMI[form].rindex('provisioner "shell"')
    assert "machine.sh ami" in AMI[form][last:]
    assert "seal.sh --check" in AMI[form][last:]


@pytest.mark.skipif(shutil.which("packer") is None, reason="Packer is not installed")
def test_packer_itself_accepts_the_classic_forms(tmp_path):
    key = tmp_path / "key"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(key)], check=True)
    environment = {
        **os.environ,
        "CHECKPOINT_DISABLE": "1",
        "AWS_ACCESS_KEY_ID": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "PACKER_CACHE_DIR": str(tmp_path),
    }
    given = {
        "sandbox": [],
        "qemu": [f"disk={key}", f"ssh_key={key}"],
        "virtualbox": [f"ova={key}", f"ssh_key={key}"],
    }
    version = subprocess.run(["packer", "version"], capture_output=True, text=True).stdout
    if "v1.6." not in version:
        pytest.skip(f"the classic form is for Packer 1.6; this is {version.strip()}")
    for file in TEMPLATES:
        if file.parent.name != "classic":
            continue
        variables = [w for v in given[file.name.split(".")[0]] for w in ("-var", v)]
        answer = subprocess.run(
            ["packer", "validate", *variables, str(file)],
            capture_output=True,
            text=True,
            env=environment,
            cwd=tmp_path,
        )
        assert answer.returncode == 0, answer.stdout + answer.stderr
