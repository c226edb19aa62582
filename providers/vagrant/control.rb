# frozen_string_literal: true

require "rubygems/package"
require "shellwords"

module Lab
  # Where Ansible runs. Both have `provision(names, addresses)`: names of machines, addresses of those
  # whose SSH host keys are new; true when all went well.
  module Control
    def self.for(machine)
      Lab.control ? Guest.new(machine.env.machine(Lab.control.to_sym, machine.provider_name)) : Host.new
    end

    # This computer.
    class Host
      def provision(names, addresses)
        Vagrant::Util::Env.with_original_env do
          system("sh", File.join(ROOT, "providers", "vagrant", "provision"), names.join(","), *addresses)
        end
      end
    end

    # A machine of the lab, for a computer without Ansible. It gets the project, and keeps the lab's state.
    class Guest
      FOLDER = "revezamento" # in the home of the login user
      ARCHIVE = "/tmp/revezamento.tar"
      LEFT_OUT = %w[.git .vagrant .venv .mypy_cache .ruff_cache .pytest_cache .ansible].freeze
      SETTINGS = %w[LAB_INVENTORY LAB_SUBNET LAB_SLOW].freeze
      UNPACK = <<~SHELL
        set -eu
        mkdir -p #{FOLDER}
        find #{FOLDER} -mindepth 1 -maxdepth 1 ! -name .lab ! -name .venv -exec rm -rf {} +
        tar --extract --directory=#{FOLDER} --file=#{ARCHIVE}
        rm #{ARCHIVE}
      SHELL

      def initialize(machine)
        @machine = machine
      end

      def provision(names, addresses)
        @machine.communicate.ready? ||
          raise(Problem, "#{@machine.name} has to run Ansible, and is not up. Next: vagrant up #{@machine.name}")
        upload
        settings = SETTINGS.filter_map { |name| "#{name}=#{Lab.setting(name)}" if Lab.setting(name) }
        command = ["env", *settings, "sh", "providers/vagrant/outside", "sh", "providers/vagrant/provision", names.join(","), *addresses]
        run("#{UNPACK}cd #{FOLDER}\n#{Shellwords.join(command)}").zero?
      end

      private

      def run(script)
        @machine.communicate.execute(script, error_check: false) { |_, text| @machine.ui.detail(text.chomp) }
      end

      def upload
        Tempfile.create("revezamento") do |file|
          file.binmode
          pack(file)
          file.close
          @machine.communicate.upload(file.path, ARCHIVE)
        end
      end

      # Windows knows no executable files: what begins with `#!` is one.
      def pack(file)
        Gem::Package::TarWriter.new(file) do |tar|
          project_files.each do |path|
            content = File.binread(File.join(ROOT, path))
            tar.add_file_simple(path, mode(path, content), content.bytesize) { |entry| entry.write(content) }
          end
        end
      end

      # All files, and of .lab only the key: secrets are made, and stay, where Ansible runs.
      def project_files
        Dir.glob("**/*", File::FNM_DOTMATCH, base: ROOT).select do |path|
          top, second, = path.split("/")
          File.file?(File.join(ROOT, path)) && !LEFT_OUT.include?(top) && (top != ".lab" || second == "ssh")
        end
      end

      def mode(path, content)
        return 0o600 if path == KEY.delete_prefix("#{ROOT}/")

        content.start_with?("#!") ? 0o755 : 0o644
      end
    end
  end
end
