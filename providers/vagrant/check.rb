# frozen_string_literal: true

require "etc"
require "fileutils"
require_relative "preflight"

module Lab
  # Runs before the first machine boots, once per command, on `up` and `reload`: the preflight, then the box and the
  # lab's key.
  class Check
    LOCK = Mutex.new
    TURNS = SizedQueue.new(Etc.nprocessors)

    class << self
      # Raises Problem. libvirt boots machines in parallel: the first thread reports the problem, the others just stop.
      def once(machine)
        LOCK.synchronize do
          Thread.exit if @refused
          @done || begin
            @refused = true
            refuse_unless_ready(machine)
            build_box(machine)
            Lab.settings.record(subnet: Lab.inventory.subnet) unless Lab.exists?
            make_key
            @refused = false
            @done = true
          end
        end
      end

      # Vagrant chose the machine's box before this one was built. If it does not have this version yet, it adds it now.
      def take_new_box(machine)
        return if @version.nil? || machine.id

        machine.config.vm.box_version = @version
        machine.box = machine.env.boxes.find(Lab.box.name, machine.provider_options[:box_format] || machine.provider_name,
                                             @version)
      end

      # An emulated machine keeps a processor busy while it boots. More of them at once would run out of their time.
      # Adding the box is a part of `up`, for which Vagrant calls this a second time.
      def in_turn
        thread = Thread.current
        return yield if Lab.vm_driver != "qemu" || thread[:lab_turn]

        TURNS.push(true)
        thread[:lab_turn] = true
        begin
          yield
        ensure
          thread[:lab_turn] = nil
          TURNS.pop
        end
      end

      private

      # The machines of this command.
      def wanted
        named = Lab.inventory.machines.select { |listed| ARGV.include?(listed.name) }
        named.empty? ? Lab.inventory.machines : named
      end

      def refuse_unless_ready(machine)
        provider = machine.provider_name.to_s
        preflight = Preflight.new(provider: provider, subnet: Lab.inventory.subnet, machines: wanted,
                                  emulated: provider == "libvirt" && Lab.vm_driver == "qemu")
        problems = preflight.problems(first: !Lab.exists?)
        raise Problem, "No machine was started.\n\n#{problems.join("\n\n")}" unless problems.empty?
      end

      # New machines of a lab that exists get its box, without a look for a newer one.
      def build_box(machine)
        return unless Lab.box.own? && wanted.any? { |listed| !Lab.made?(listed.name) }

        @version = Lab.box.build(machine.provider_name.to_s) unless Lab.exists? && machine.box
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
      self.class.take_new_box(env[:machine])
      self.class.in_turn { @app.call(env) }
    end
  end
end
