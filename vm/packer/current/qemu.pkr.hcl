# The sandbox as a virtual machine, by Packer: takes the disk of a Debian 12 cloud image or of
# `sandbox vm build`, boots it in qemu and provisions it with the scripts of provision/.
# GENERATED from vm/packer/qemu.pkr.hcl.in by `sandbox ami template`; see vm/README.md.
packer {
  required_plugins {
    qemu = {
      source  = "github.com/hashicorp/qemu"
      version = ">= 1.0.10"
    }
  }
}

variable "disk" {
  type        = string
  description = "A qcow2 with Debian 12 that lets the key below in."
}

variable "disk_checksum" {
  type    = string
  default = "none"
}

variable "accelerator" {
  type        = string
  default     = "kvm"
  description = "kvm where the processor offers it, else tcg."
}

variable "ssh_username" {
  type    = string
  default = "debian"
}

variable "ssh_key" {
  type        = string
  description = "The private key for this user."
}

variable "output" {
  type    = string
  default = "packer-qemu"
}

variable "lean" {
  type    = string
  default = ""
}

source "qemu" "sandbox" {
  iso_url          = var.disk
  iso_checksum     = var.disk_checksum
  disk_image       = true
  use_backing_file = false
  format           = "qcow2"
  accelerator      = var.accelerator
  headless         = true
  net_device       = "virtio-net"
  memory           = 2048
  cpus             = 2
  disk_size        = "16G"
  # Those zeros free the blocks here instead of filling this machine's disk.
  disk_discard       = "unmap"
  disk_detect_zeroes = "unmap"
  qemuargs = [
    ["-cpu", "max"],
    ["-display", "none"]
  ]
  ssh_username         = var.ssh_username
  ssh_private_key_file = var.ssh_key
  ssh_timeout          = "15m"
  # Sealing takes sudo and SSH away, so it is the last step; with a leftover the machine stays on,
  # and Packer gives up.
  shutdown_command     = "sudo sh -c 'cd /opt/sandbox/provision && ./seal.sh --remove-work --zero && ./seal.sh --check && systemctl poweroff'"
  shutdown_timeout     = "30m" # it writes zeros over all free space first
  output_directory     = var.output
  vm_name              = "bigdl-sandbox.qcow2"
}

build {
  sources = ["source.qemu.sandbox"]

  # Only what git knows: nothing else that lies in the folders goes along.
  provisioner "shell-local" {
    inline = ["PYTHONSAFEPATH=1 PYTHONPATH='${path.root}/../../..' python3 -m sandbox.cli.carriers.files packer-files.tar"]
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
      "sudo /opt/sandbox/provision/machine.sh vm ${var.lean}"
    ]
  }
}
