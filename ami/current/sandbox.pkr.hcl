# The sandbox as an Amazon machine image. GENERATED from ami/sandbox.pkr.hcl.in by
# `sandbox ami template`; classic/ is for Packer 1.6 and 1.7 (Debian's), current/ for 1.9 and later.
packer {
  required_plugins {
    amazon = {
      source  = "github.com/hashicorp/amazon"
      version = ">= 1.2.6"
    }
  }
}

variable "region" {
  type        = string
  default     = "us-east-1"
  description = "Where the image is made."
}

variable "release" {
  type        = string
  default     = "0.1.0"
  description = "Version in the image's name."
}

variable "instance_type" {
  type        = string
  default     = "t3.large"
  description = "What the build runs on."
}

variable "root_gb" {
  type        = number
  default     = 16
  description = "Size of the disk; it grows to that of the instance's disk."
}

variable "source_owner" {
  type        = string
  default     = "136693071363"
  description = "Debian's account on AWS."
}

variable "lean" {
  type        = string
  default     = ""
  description = "--lean leaves out Spark and large packages, to try the template."
}

# Only for tests, which bring a server that plays AWS and a machine of their own.
variable "aws_endpoint" {
  type    = string
  default = ""
}

variable "ssh_host" {
  type    = string
  default = ""
}

variable "ssh_port" {
  type    = number
  default = 22
}

variable "ssh_key" {
  type    = string
  default = ""
}

source "amazon-ebs" "sandbox" {
  region        = var.region
  instance_type = var.instance_type
  ami_name      = "bigdl-sandbox-${var.release}-{{timestamp}}"
  ami_description = "Deep learning on Spark and CPUs, in Jupyter"

  source_ami_filter {
    owners      = [var.source_owner]
    most_recent = true
    filters = {
      name                = "debian-12-amd64-*"
      root-device-type    = "ebs"
      virtualization-type = "hvm"
    }
  }

  launch_block_device_mappings {
    device_name           = "/dev/xvda"
    volume_type           = "gp3"
    volume_size           = var.root_gb
    throughput            = 125
    iops                  = 3000
    encrypted             = true
    delete_on_termination = true
  }

  # Version 2 of the metadata service only: while building, and for every instance of the image.
  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required"
    http_put_response_hop_limit = 1
  }
  imds_support  = "v2.0"
  ena_support   = true
  sriov_support = true

  ssh_username         = "admin"
  ssh_host             = var.ssh_host
  ssh_port             = var.ssh_port
  ssh_private_key_file = var.ssh_key
  ssh_timeout          = "10m"

  custom_endpoint_ec2         = var.aws_endpoint
  skip_region_validation      = var.aws_endpoint != ""
  skip_credential_validation  = var.aws_endpoint != ""
  skip_metadata_api_check     = var.aws_endpoint != ""

  tags = {
    Name    = "bigdl-sandbox"
    Release = var.release
    Base    = "{{ .SourceAMIName }}"
  }
  run_tags = {
    Name = "bigdl-sandbox-build"
  }
}

build {
  sources = ["source.amazon-ebs.sandbox"]

  # Only what git knows: nothing else that lies in the folders goes along.
  provisioner "shell-local" {
    inline = ["PYTHONSAFEPATH=1 PYTHONPATH='${path.root}/../..' python3 -m sandbox.cli.carriers.files packer-files.tar"]
  }
  provisioner "file" {
    source      = "packer-files.tar"
    destination = "/tmp/packer-files.tar"
    generated   = true # by the step before
  }
  provisioner "shell" {
    inline = [
      "sudo mkdir -p /opt/sandbox",
      "sudo tar -x --no-same-owner -C /opt/sandbox -f /tmp/packer-files.tar && rm /tmp/packer-files.tar",
      "sudo /opt/sandbox/provision/machine.sh ami ${var.lean}",
      "sudo sh -c 'cd /opt/sandbox/provision && ./seal.sh --remove-work && ./seal.sh --check'"
    ]
  }

  post-processor "manifest" {
    output     = "packer-manifest.json"
    strip_path = true
  }
}
