# frozen_string_literal: true

require "fileutils"
require_relative "preflight"

module Lab
  # Before the first machine boots: is this computer ready, and is there a key? Once a run, on `up` and `reload` alone.
  class Check
    LOCK = Mutex.new

    class << self
      # Raises Problem. libvirt boots all machines at once: the first to come tells, the others end in silence.
      def once(machine)
        LOCK.synchronize do
          Thread.exit if @refused
          @done || begin
            @refused = true
            refuse_unless_ready(machine)
            make_key
            @refused = false
            @done = true
          end
        end
      end

      private

      def refuse_unless_ready(machine)
        provider = machine.provider_name.to_s
        refuse_old_vagrant(provider)
        named = Lab.inventory.machines.select { |known| ARGV.include?(known.name) }
        wanted = named.empty? ? Lab.inventory.machines : named
        preflight = Preflight.new(provider: provider, subnet: Lab.inventory.subnet, machines: wanted,
                                  emulated: provider == "libvirt" && Lab.vm_driver == "qemu")
        problems = preflight.problems(first: first?(machine))
        raise Problem, "No machine was started.\n\n#{problems.join("\n\n")}" unless problems.empty?
      end

      # It would take whichever box comes first, mostly one for amd64.
      def refuse_old_vagrant(provider)
        return if Lab::Boxes.architecture == "amd64" || Gem::Version.new(Vagrant::VERSION) >= Gem::Version.new("2.4")
        return if Lab.setting("LAB_BOX")

        raise Problem, "Vagrant #{Vagrant::VERSION} cannot choose a box for this processor (arm64).\n" \
                       "Remedy: Vagrant 2.4, or LAB_BOX=name of a box for #{provider} on arm64."
      end

      # Vagrant keeps the id of each machine that it made in .vagrant/machines/NAME/PROVIDER.
      def first?(machine)
        Dir.glob(machine.data_dir.parent.parent.join("*", "*", "id")).empty?
      end

      # The same key as for the containers.
      def make_key
        return if File.exist?(KEY)

        FileUtils.mkdir_p(File.dirname(KEY), mode: 0o700)
        system("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "revezamento-lab", "-f", KEY) ||
          raise(Problem, "ssh-keygen is missing, so the lab has no key. Remedy: install the OpenSSH client.")
      end
    end

    def initialize(app, _env)
      @app = app
    end

    def call(env)
      self.class.once(env[:machine])
      @app.call(env)
    end
  end
end
