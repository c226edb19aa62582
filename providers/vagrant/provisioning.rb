# frozen_string_literal: true

require "socket"
require_relative "control"

module Lab
  # Vagrant provisions a machine when it has booted. Ansible shall have all of them at once, so here each
  # is only made ready and remembered; at the end of the command one run of Ansible has them all.
  class Provisioner < Vagrant.plugin("2", :provisioner)
    # Before the boot: a machine without Vagrant's mark was never provisioned.
    def configure(_root_config)
      @new = !Provisioner.mark(machine).file?
    end

    def provision
      key = File.read("#{KEY}.pub").strip
      machine.communicate.sudo("key='#{key}'\n#{File.read(File.join(__dir__, 'ready'))}")
      ProvisionAll.remember(machine, is_new: @new)
    end

    # Where Vagrant writes that a machine was provisioned, before it tries.
    def self.mark(machine)
      machine.data_dir.join("action_provision")
    end
  end

  # The end of a command: provisions what was remembered. A machine that is new concerns all others, so
  # then each that answers takes part; else those that were named.
  class ProvisionAll
    LOCK = Mutex.new
    ANSWER_SECONDS = 3

    class << self
      def remember(machine, is_new:)
        LOCK.synchronize { remembered[machine] = is_new }
      end

      # Machine => whether it is new; each is told once.
      def take
        LOCK.synchronize { remembered.dup.tap { remembered.clear } }
      end

      private

      def remembered
        @remembered ||= {}
      end
    end

    def initialize(app, _env)
      @app = app
    end

    def call(env)
      @app.call(env)
      machines = self.class.take
      provision(machines, env[:ui]) unless machines.empty?
    end

    private

    def provision(machines, interface)
      fresh = machines.select { |_, is_new| is_new }.keys
      return give_up(fresh, interface) if $! # some machine did not boot

      names = fresh.empty? ? machines.keys.map { |machine| machine.name.to_s } : answering
      interface.info("Provisioning #{names.join(', ')} at once, with Ansible#{" on #{Lab.control}" if Lab.control}.")
      return interface.success(AFTERWARDS) if Control.for(machines.keys.first).provision(names, addresses(fresh))

      forget(fresh)
      raise Problem, "Ansible failed: its last lines tell where and why. The machines stay up.\n" \
                     "Next: correct it, and the same command again, or vagrant provision."
    end

    def give_up(fresh, interface)
      forget(fresh)
      interface.warn("Nothing was provisioned, since not every machine is up.\nNext: correct it, and vagrant up again.")
    end

    # The next `vagrant up` provisions them again.
    def forget(fresh)
      fresh.each { |machine| Provisioner.mark(machine).unlink if Provisioner.mark(machine).file? }
    end

    def answering
      asking = Lab.inventory.machines.map { |known| Thread.new { known.name if answers?(known.address) } }
      asking.filter_map(&:value)
    end

    def answers?(address)
      Socket.tcp(address, 22, connect_timeout: ANSWER_SECONDS * Lab.slow, &:close)
      true
    rescue SystemCallError, IOError
      false
    end

    def addresses(machines)
      names = machines.map { |machine| machine.name.to_s }
      Lab.inventory.machines.select { |machine| names.include?(machine.name) }.map(&:address)
    end

    AFTERWARDS = "The lab is provisioned. Next: make status, make verify, make ssh HOST=client."
  end
end
