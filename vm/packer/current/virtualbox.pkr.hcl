# The sandbox as a VirtualBox machine, by Packer: imports an OVA with Debian 12, provisions it with
# the scripts of provision/ and exports it again.
# GENERATED from vm/packer/virtualbox.pkr.hcl.in by `sandbox ami template`; see vm/README.md.
packer {
  required_plugins {
    virtualbox = {
      source  = "github.com/hashicorp/virtualbox"
      version = ">= 1.0.5"
    }
  }
}

variable "ova" {
  type        = string
  description = "An OVA with Debian 12 that lets the key below in."
}

variable "ova_checksum" {
  type    = string
  default = "none"
}

variable "ssh_username" {
  type    = string
  default = "debian"
}

variable "ssh_key" {
  type = string
}

variable "output" {
  type    = string
  default = "packer-virtualbox"
}

source "virtualbox-ovf" "sandbox" {
  source_path          = var.ova
  checksum             = var.ova_checksum
  headless             = true
  guest_additions_mode = "disable"
  ssh_username         = var.ssh_username
  ssh_private_key_file = var.ssh_key
  ssh_timeout          = "15m"
  # Sealing takes sudo and SSH away, so it is the last step; with a leftover the machine stays on,
  # and Packer gives up.
  shutdown_command     = "sudo sh -c 'cd /opt/sandbox/provision && ./seal.sh --remove-work --zero && ./seal.sh --check && systemctl poweroff'"
  shutdown_timeout     = "30m" # it writes zeros over all free space first
  format               = "ova"
  output_directory     = var.output
  vm_name              = "bigdl-sandbox"
  vboxmanage = [
    ["modifyvm", "{{.Name}}", "--memory", "4096", "--cpus", "2"],
    ["modifyvm", "{{.Name}}", "--natpf1", "jupyter,tcp,127.0.0.1,8888,,8888"]
  ]
}

build {
  sources = ["source.virtualbox-ovf.sandbox"]

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
      "sudo /opt/sandbox/provision/machine.sh vm"
    ]
  }
}
