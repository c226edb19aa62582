# frozen_string_literal: true

require_relative "box"
require_relative "inventory"
require_relative "settings"

# What the Vagrantfile uses: settings, the inventory, the box.
module Lab
  ROOT = File.expand_path("../..", __dir__)
  KEY = File.join(ROOT, ".lab", "ssh", "id_ed25519")
  RECORD = File.join(ROOT, ".lab", "settings")
  DRIVERS = %w[kvm qemu].freeze

  class << self
    # The machines of LAB_INVENTORY, in the network LAB_SUBNET where that is set.
    def inventory
      @inventory ||= Inventory.new(File.expand_path(setting("LAB_INVENTORY"), ROOT), subnet: setting("LAB_SUBNET"))
    end

    def box
      @box ||= Box.new(setting("LAB_RELEASE"), root: ROOT, other: setting("LAB_BOX"), url: setting("LAB_BOX_URL"))
    end

    # How libvirt runs its machines: with KVM, or emulated by QEMU.
    def vm_driver
      driver = setting("LAB_VM_DRIVER", "kvm")
      return driver if DRIVERS.include?(driver)

      raise Problem, "LAB_VM_DRIVER=#{driver} is not supported. Remedy: #{DRIVERS.join(' or ')}."
    end

    # Every timeout is multiplied by this.
    def slow
      factor = setting("LAB_SLOW", "1")
      return factor.to_i if factor.match?(/\A[1-9]\d*\z/)

      raise Problem, "LAB_SLOW=#{factor} is not a positive whole number. Remedy: LAB_SLOW=10 for emulated machines."
    end

    # The machine that runs Ansible instead of this computer: LAB_CONTROL, or the client on Windows. nil: this computer.
    def control
      client = inventory.machines.find { |machine| machine.tiers.include?("clients") }
      name = setting("LAB_CONTROL") || (client&.name if Vagrant::Util::Platform.windows?)
      return name if name.nil? || inventory.machines.any? { |machine| machine.name == name }

      raise Problem, "LAB_CONTROL=#{name} is not in the inventory. Remedy: LAB_CONTROL=#{client&.name}, or unset it."
    end

    def setting(name, default = nil)
      settings[name] || default
    end

    def settings
      @settings ||= Settings.new(file: RECORD, exists: exists?)
    end

    # Whether Vagrant had made a machine when the command began: it keeps the id of each.
    def exists?
      return @exists unless @exists.nil?

      @exists = made?("*")
    end

    # Whether Vagrant has made the machine.
    def made?(name)
      state = File.expand_path(ENV.fetch("VAGRANT_DOTFILE_PATH", ".vagrant"), ROOT)
      Dir.glob("machines/#{name}/*/id", base: state).any?
    end
  end
end

require_relative "plugin" if defined?(Vagrant)
