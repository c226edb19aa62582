# frozen_string_literal: true

require "fileutils"
require_relative "preflight"

module Lab
  # Runs before the first machine boots, once per command, on `up` and `reload`: the preflight, then the lab's key.
  class Check
    LOCK = Mutex.new

    class << self
      # Raises Problem. libvirt boots machines in parallel: the first thread reports the problem, the others just stop.
      def once(machine)
        LOCK.synchronize do
          Thread.exit if @refused
          @done || begin
            @refused = true
            refuse_unless_ready(machine)
            Lab.settings.record(subnet: Lab.inventory.subnet) unless Lab.exists?
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
        named = Lab.inventory.machines.select { |listed| ARGV.include?(listed.name) }
        machines = named.empty? ? Lab.inventory.machines : named
        preflight = Preflight.new(provider: provider, subnet: Lab.inventory.subnet, machines: machines,
                                  emulated: provider == "libvirt" && Lab.vm_driver == "qemu")
        problems = preflight.problems(first: !Lab.exists?)
        raise Problem, "No machine was started.\n\n#{problems.join("\n\n")}" unless problems.empty?
      end

      # It would use the first box that it finds, which is usually for amd64.
      def refuse_old_vagrant(provider)
        return if Lab::Boxes.architecture == "amd64" || Gem::Version.new(Vagrant::VERSION) >= Gem::Version.new("2.4")
        return if Lab.setting("LAB_BOX")

        raise Problem, "Vagrant #{Vagrant::VERSION} cannot choose a box for this architecture (arm64).\n" \
                       "Remedy: Vagrant 2.4, or LAB_BOX=the name of a box for #{provider} on arm64."
      end

      # The container lab uses the same key.
      def make_key
        return if File.exist?(KEY)

        FileUtils.mkdir_p(File.dirname(KEY), mode: 0o700)
        system("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "revezamento-lab", "-f", KEY) ||
          raise(Problem, "The lab's key needs ssh-keygen, which is not installed. Remedy: install the OpenSSH client.")
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
