# frozen_string_literal: true

require_relative "boxes"
require_relative "inventory"

# What the Vagrantfile uses beside Vagrant: settings of a run, the inventory, the box.
module Lab
  ROOT = File.expand_path("../..", __dir__)
  KEY = File.join(ROOT, ".lab", "ssh", "id_ed25519")
  DRIVERS = %w[kvm qemu].freeze

  class << self
    # The machines of inventory/lab, or of LAB_INVENTORY; in the network LAB_SUBNET, if that is set.
    def inventory
      path = File.expand_path(setting("LAB_INVENTORY", "inventory/lab"), ROOT)
      @inventory ||= Inventory.new(path, subnet: setting("LAB_SUBNET"))
    end

    def box(provider)
      Boxes.choose(setting("LAB_RELEASE", "trixie"), provider, Boxes.architecture, own: setting("LAB_BOX"))
    end

    # What libvirt's machines run on: KVM, or QEMU's emulation where there is no KVM.
    def vm_driver
      driver = setting("LAB_VM_DRIVER", "kvm")
      return driver if DRIVERS.include?(driver)

      raise Problem, "LAB_VM_DRIVER=#{driver} is not known. Remedy: #{DRIVERS.join(' or ')}."
    end

    # By how much machines are slower than real ones: deadlines are multiplied by it.
    def slow
      told = setting("LAB_SLOW", "1")
      return told.to_i if told.match?(/\A[1-9]\d*\z/)

      raise Problem, "LAB_SLOW=#{told} is not a whole number from 1 on. Remedy: LAB_SLOW=10 for emulated machines."
    end

    # A machine that runs Ansible instead of this host: where LAB_CONTROL says so, and on Windows. Else nil.
    def control
      client = inventory.machines.find { |machine| machine.tiers.include?("clients") }
      name = setting("LAB_CONTROL") || (client&.name if Vagrant::Util::Platform.windows?)
      return name if name.nil? || inventory.machines.any? { |machine| machine.name == name }

      raise Problem, "LAB_CONTROL=#{name} is no machine of the inventory. Remedy: LAB_CONTROL=#{client&.name}, or none."
    end

    def setting(name, default = nil)
      value = ENV.fetch(name, "")
      value.empty? ? default : value
    end
  end
end

require_relative "plugin" if defined?(Vagrant)
