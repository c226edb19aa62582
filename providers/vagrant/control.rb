# frozen_string_literal: true

require "tempfile"
require_relative "bundle"

module Lab
  # Where Ansible runs. Both have `provision(names, addresses)`: names of machines, addresses of those
  # whose SSH host keys are new; true if it succeeded.
  module Control
    def self.for(machine)
      Lab.control ? Guest.new(machine.env.machine(Lab.control.to_sym, machine.provider_name)) : Host.new
    end

    # This computer.
    class Host
      def provision(names, addresses)
        program = File.join(ROOT, "providers", "vagrant", "provision")
        environment = Lab.settings.for_ansible
        Vagrant::Util::Env.with_original_env { system(environment, "sh", program, names.join(","), *addresses) }
      end
    end

    # A machine of the lab, for a computer without Ansible. It gets the project and keeps the lab's state.
    class Guest
      def initialize(machine)
        @machine = machine
      end

      def provision(names, addresses)
        @machine.communicate.ready? ||
          raise(Problem, "#{@machine.name} runs Ansible, and it is not up. Next: vagrant up #{@machine.name}")
        bundle = Bundle.new
        upload(bundle)
        run(bundle.script(names, addresses)).zero?
      end

      private

      def upload(bundle)
        Tempfile.create("revezamento") do |file|
          file.binmode
          bundle.write(file)
          file.close
          @machine.communicate.upload(file.path, Bundle::ARCHIVE)
        end
      end

      def run(script)
        @machine.communicate.execute(script, error_check: false) { |_, text| @machine.ui.detail(text.chomp) }
      end
    end
  end
end
