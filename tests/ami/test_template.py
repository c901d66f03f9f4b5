"""The Packer templates: the two forms, what each must hold, and that they come from one source."""

from __future__ import annotations

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
