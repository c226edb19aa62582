# frozen_string_literal: true

require "socket"
require_relative "control"

module Lab
  # Vagrant provisions each machine as soon as it has booted. Ansible needs all of them at once, so this only
  # prepares and remembers each machine; at the end of the command, ProvisionAll runs Ansible once for all.
  class Provisioner < Vagrant.plugin("2", :provisioner)
    # Runs before the boot: a machine without Vagrant's marker file was never provisioned.
    def configure(_root_config)
      @new = !Provisioner.marker(machine).file?
    end

    def provision
      key = File.read("#{KEY}.pub").strip
      machine.communicate.sudo("key='#{key}'\n#{File.read(File.join(__dir__, 'prepare-guest'))}")
      ProvisionAll.remember(machine, is_new: @new)
    end

    # The file by which Vagrant knows that a machine was provisioned. It is written before the attempt.
    def self.marker(machine)
      machine.data_dir.join("action_provision")
    end
  end

  # Runs at the end of a command. A new machine changes the configuration of the others, so if there is one, every
  # machine that answers is provisioned; otherwise only the ones that the command named.
  class ProvisionAll
    LOCK = Mutex.new
    CONNECT_SECONDS = 3

    class << self
      def remember(machine, is_new:)
        LOCK.synchronize { remembered[machine] = is_new }
      end

      # Machine => whether it is new; then forgets them.
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
      return give_up(fresh, interface) if $! # a machine did not boot

      names = fresh.empty? ? machines.keys.map { |machine| machine.name.to_s } : answering
      interface.info("Provisioning #{names.join(', ')} with Ansible#{" on #{Lab.control}" if Lab.control}.")
      return interface.success(afterwards) if Control.for(machines.keys.first).provision(names, addresses(fresh))

      unmark(fresh)
      raise Problem, "Ansible failed; the output above says where and why. The machines stay up.\n" \
                     "Next: fix it and repeat the command, or run vagrant provision."
    end

    def give_up(fresh, interface)
      unmark(fresh)
      interface.warn("Nothing was provisioned, because not every machine is up.\nNext: fix it, then vagrant up.")
    end

    # So that the next `vagrant up` provisions them.
    def unmark(fresh)
      fresh.map { |machine| Provisioner.marker(machine) }.select(&:file?).each(&:unlink)
    end

    def answering
      threads = Lab.inventory.machines.map { |machine| Thread.new { machine.name if answers?(machine.address) } }
      threads.filter_map(&:value)
    end

    def answers?(address)
      Socket.tcp(address, 22, connect_timeout: CONNECT_SECONDS * Lab.slow, &:close)
      true
    rescue SystemCallError, IOError
      false
    end

    def addresses(machines)
      names = machines.map { |machine| machine.name.to_s }
      Lab.inventory.machines.select { |machine| names.include?(machine.name) }.map(&:address)
    end

    def afterwards
      where = ", after vagrant ssh #{Lab.control} and cd #{Bundle::FOLDER}" if Lab.control
      "The lab is provisioned. Next#{where}: make status, make verify, make ssh HOST=client."
    end
  end
end
